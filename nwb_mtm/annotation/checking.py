"""What an annotated file claims, recomputed from the file alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from nwb_mtm.annotation.blending import Grid
from nwb_mtm.annotation.scoring import of_rows, score_units
from nwb_mtm.binning import touches
from nwb_mtm.errors import RecordingError
from nwb_mtm.nwb import annotations as names
from nwb_mtm.nwb.annotations_read import Written, open_written
from nwb_mtm.nwb.reader import read
from nwb_mtm.nwb.writer_targets import train_hashes
from nwb_mtm.recording import Recording

TOLERANCE = 1e-6
SLACK = 1e-6  # seconds


@dataclass(frozen=True)
class Claim:
    """One column of scores: how many were written, and those that are not what the data give."""

    name: str
    values: int
    wrong: tuple[tuple[str, float, float], ...] = ()  # (unit or trial, written, recomputed)

    @property
    def holds(self) -> bool:
        """Whether every value is what it should be."""
        return not self.wrong


@dataclass(frozen=True)
class Checked:
    """All claims of a file."""

    file: str
    claims: tuple[Claim, ...]

    @property
    def passed(self) -> bool:
        """Whether all claims hold."""
        return all(claim.holds for claim in self.claims)


def check(file: str | Path, *, source: str | Path | Recording | None = None) -> Checked:
    """Recompute every written score from rates, spikes and windows; a sidecar needs its source too."""
    with open_written(file) as written:
        recording = _source(file, written, source)
        claims = [*_rates_where_stated(written), *_apart(written), *_same_spikes(written, recording)]
        if all(claim.holds for claim in claims):
            claims += _scores(written, recording)
        claims += _decoded(written, recording)
    return Checked(Path(file).name, tuple(claims))


def _source(file: str | Path, written: Written, source: str | Path | Recording | None) -> Recording:
    if isinstance(source, Recording):
        return source
    if source is None and written.is_sidecar:
        raise RecordingError(
            f"{Path(file).name} is a sidecar: its spikes are in {written.facts.get('source.name', 'its source')}.",
            kind="no_source",
        )
    return read(file if source is None else source)


def _rates_where_stated(written: Written) -> Iterator[Claim]:
    """Rates lie exactly where the samples' kind says."""
    series = [(names.RATES, names.UNSEEN)]
    if written.has_trained:
        series.append((names.TRAINED, names.SEEN))
    for name, bit in series:
        filled = _filled(written, name)
        stray = np.flatnonzero(filled & ((written.kind & bit) == 0))
        wrong = tuple((f"sample {i}", float(written.kind[i]), float(bit)) for i in stray[:20])
        yield Claim(f"{name}: only samples of its kind", int(filled.sum()), wrong)


def _apart(written: Written) -> Iterator[Claim]:
    """No window is predicted by a model that was trained on, or selected by, any of its time."""
    if "model.hash" not in written.facts:
        return
    table, wrong, tested = written.windows, list[tuple[str, float, float]](), 0
    for fold in table.models:
        test = table.rows("test", fold)
        seen = np.concatenate([table.rows("train", fold), table.rows("valid", fold)])
        intervals = np.stack([table.start[seen] + SLACK, table.stop[seen] - SLACK], axis=1)
        stray = test[touches(table.start[test], table.stop[test], intervals)]
        wrong += [(f"window {row}", float(table.start[row]), float(fold)) for row in stray[:20]]
        tested += len(test)
    yield Claim(f"{names.WINDOWS}: tested by a model that has not seen them", tested, tuple(wrong))


def _filled(written: Written, name: str) -> ndarray:
    array = written.rates(name)
    out = np.zeros(array.shape[0], bool)
    for first in range(0, len(out), 4096):
        out[first : first + 4096] = np.isfinite(array.read(first, min(len(out), first + 4096))).any(axis=1)
    return out


def _same_spikes(written: Written, recording: Recording) -> Iterator[Claim]:
    """A sidecar belongs to this source if every unit's spikes are those it was made with."""
    if not written.is_sidecar:
        return
    spikes = of_rows(recording, written.rows).spikes
    hashes, keys = train_hashes(spikes), written.units["unit_key"]
    stated = written.units["spike_hash"].tolist()
    counts = zip(keys.tolist(), written.units["spike_count"].tolist(), spikes.counts.tolist(), stated, hashes)
    wrong = tuple((str(key), float(was), float(now)) for key, was, now, a, b in counts if a != b)
    yield Claim("spikes of the source", len(stated), wrong)


def _scores(written: Written, recording: Recording) -> Iterator[Claim]:
    found = recompute(written, recording)
    keys = written.units["unit_key"].tolist()
    for name, values in found.items():
        if name in written.units:
            yield _compared(name, keys, written.units[name].astype(np.float64), values.astype(np.float64))


def recompute(written: Written, recording: Recording) -> Mapping[str, ndarray]:
    """Every unit's scores from the rates as they are in the file."""
    array = written.rates()
    grid = Grid(written.t0, written.bin_size, len(written.kind))
    return score_units(of_rows(recording, written.rows), grid, array.read, written.windows)


def _compared(name: str, keys: list[str], stated: ndarray, found: ndarray) -> Claim:
    close = np.isclose(stated, found, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    wrong = tuple((str(keys[i]), float(stated[i]), float(found[i])) for i in np.flatnonzero(~close))
    return Claim(name, len(stated), wrong)


def _decoded(written: Written, recording: Recording) -> Iterator[Claim]:
    stated = {k: float(v) for k, v in written.facts.items() if k.startswith("score.decoded.")}
    if not stated:
        return
    from nwb_mtm.annotation.decoded import recompute_decoded

    found = recompute_decoded(written, recording)
    for name, value in stated.items():
        yield _compared(name, [name], np.array([value]), np.array([found.get(name, np.nan)]))
