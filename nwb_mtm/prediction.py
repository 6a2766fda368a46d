"""What a model says about one session: rates, and which of them it had seen in training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.recording import Units, frozen


@dataclass(frozen=True, eq=False)
class Prediction:
    """Rates in spikes/s; NaN where nothing was predicted. A continuous prediction has one long window."""

    session: str
    units: Units
    start: Float[ndarray, " window"]
    bin_size: float
    rates: Float[ndarray, "window bin unit"]
    scheme: str
    seen: Bool[ndarray, "window bin"]  # trained on or used to select the model
    causal: bool = False
    reach: float = 0.0  # seconds of the future that an estimate may use
    latents: Float[ndarray, "window bin width"] | None = None
    behaviors: Mapping[str, Float[ndarray, "window bin dim"]] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", frozen(self.start, np.float64))
        object.__setattr__(self, "rates", frozen(self.rates, np.float32))
        object.__setattr__(self, "seen", frozen(self.seen, bool))
        object.__setattr__(self, "behaviors", MappingProxyType(dict(self.behaviors)))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    @property
    def centers(self) -> Float[ndarray, "window bin"]:
        """The middle of every bin, in seconds on the session clock."""
        return np.asarray(self.start[:, None] + (np.arange(self.rates.shape[1]) + 0.5) * self.bin_size)

    @property
    def expected(self) -> Float[ndarray, "window bin unit"]:
        """Expected spikes per bin, as `bits_per_spike` wants them."""
        return np.asarray(self.rates * np.float32(self.bin_size))

    def __repr__(self) -> str:
        windows, bins, units = self.rates.shape
        share = float(np.isfinite(self.rates).mean()) if self.rates.size else 0.0
        return (
            f"Prediction({self.session!r}: {windows} x {bins} bins, {units} units, {self.scheme}, {share:.0%} filled)"
        )

    def to_pynapple(self) -> Any:
        """A TsdFrame with one column for every unit, in time order (needs the `pandas` extra)."""
        import pynapple

        times = self.centers.reshape(-1)
        order = np.argsort(times, kind="stable")
        frame = self.rates.reshape(-1, len(self.units))[order]
        return pynapple.TsdFrame(t=times[order], d=frame, columns=list(self.units.keys))
