"""The clock of a series: regular or not, with the mistakes that real files make in it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.nwb.view import Group, as_number, find_array

JITTER = 1e-3  # steps that differ by less than this share of their median are regular
TOO_LONG = 2.0  # a series so many times longer than the recording has its period stored as its rate
FITS = 2.0


@dataclass(frozen=True, eq=False)
class Clock:
    """When every sample was taken, or why that cannot be told."""

    times: Float[ndarray, " sample"]
    rate: float | None = None
    note: str = ""
    problem: str = ""

    @property
    def start(self) -> float | None:
        """The first moment."""
        return _edge(self.times, np.nanmin)

    @property
    def stop(self) -> float | None:
        """The last moment."""
        return _edge(self.times, np.nanmax)


def _edge(times: Float[ndarray, " sample"], pick: object) -> float | None:
    finite = times[np.isfinite(times)]
    return float(pick(finite)) if len(finite) else None  # type: ignore[operator]


def broken(problem: str) -> Clock:
    """No clock, and why."""
    return Clock(np.zeros(0), problem=problem)


def read_clock(series: Group, samples: int, span: tuple[float, float] | None) -> Clock:
    """From `timestamps`, else from `starting_time` and its `rate`."""
    stamps = find_array(series, "timestamps")
    if stamps is not None:
        return from_timestamps(stamps.read().reshape(-1), samples)
    start = find_array(series, "starting_time")
    if start is None:
        return broken("it has neither timestamps nor a rate")
    rate = as_number(start.attrs.get("rate", np.nan))
    begin = as_number(start.read())
    if not np.isfinite(rate) or rate <= 0:
        return broken(f"its rate is {rate:g}")
    data = find_array(series, "data")
    offset = as_number(data.attrs.get("offset", 0.0)) if data is not None else 0.0
    return from_rate(rate, begin if np.isfinite(begin) else 0.0, samples, span, offset=offset)


def from_rate(
    rate: float, begin: float, samples: int, span: tuple[float, float] | None, *, offset: float = 0.0
) -> Clock:
    """Regular samples; a rate below 1 Hz that only makes sense as a period is read as one."""
    length = np.inf if span is None else max(span[1] - span[0], 1e-9)
    if rate < 1 and samples / rate > TOO_LONG * length and samples * rate <= FITS * length:
        note = f"the stored rate {rate:g} is the sampling period; read as {1 / rate:g} Hz"
        if begin == 0 and np.isfinite(offset) and offset != 0 and span is not None:
            begin, extra = offset, "; the stored offset is the start time"
            note += extra
        return Clock(begin + np.arange(samples) * rate, 1 / rate, note=note)
    return Clock(begin + np.arange(samples) / rate, rate)


def offset_is_start(clock: Clock) -> bool:
    """Whether the stored offset was used as the start, and so is none of the values'."""
    return clock.note.endswith("start time")


def from_timestamps(stored: ndarray, samples: int) -> Clock:
    """Irregular samples, recognised as regular when their steps agree."""
    if stored.dtype.kind not in "iuf":
        return broken("its timestamps are no numbers")
    times = stored.astype(np.float64)
    if len(times) == 2 and samples > 2 and np.isfinite(times).all() and times[1] > times[0]:
        rate = (samples - 1) / (times[1] - times[0])
        return Clock(
            np.linspace(times[0], times[1], samples),
            float(rate),
            note=f"only the first and last of {samples:,} timestamps are stored; the others were laid evenly between",
        )
    if len(times) != samples:
        return broken(f"it has {samples:,} samples but {len(times):,} timestamps")
    return Clock(times, regular_rate(times, np.dtype(stored.dtype)))


def regular_rate(times: Float[ndarray, " sample"], stored: np.dtype) -> float | None:
    """Samples per second when all steps agree, else None."""
    if len(times) < 3 or not np.isfinite(times).all():
        return None
    steps = np.diff(times)
    step = float(np.median(steps))
    if step <= 0:
        return None
    grain = float(np.spacing(np.asarray(np.abs(times).max(), stored if stored.kind == "f" else np.float64)))
    if np.abs(steps - step).max() > max(JITTER * step, 4 * grain):
        return None
    return float((len(times) - 1) / (times[-1] - times[0]))
