"""What is written into a file: names, sentences and shapes, before any of it is in one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from numpy import ndarray

from nwb_mtm.recording import Behavior, Units

RATES = "ReconstructedRates"
TRAINED = "ReconstructedRatesTrained"
SAMPLES = "ReconstructedSamples"
UNITS = "ReconstructedUnits"
WINDOWS = "ReconstructedWindows"
FACTS = "ReconstructionProvenance"
LATENTS = "Latents"
BEHAVIOR = "DecodedBehavior"
TRIALS = "DecodedTrials"
NAMES = {"ecephys": (RATES, TRAINED, SAMPLES, UNITS, WINDOWS, FACTS, LATENTS), "behavior": (BEHAVIOR, TRIALS)}

NOTHING, UNSEEN, SEEN, EXTRAPOLATED = 0, 1, 2, 4  # of every sample; the last is added to the others


@dataclass(frozen=True, eq=False)
class WindowTable:
    """The windows that were predicted, and those the model was trained on."""

    start: Float64[ndarray, " window"]
    stop: Float64[ndarray, " window"]
    split: tuple[str, ...]
    fold: Int64[ndarray, " window"]
    extrapolated: Bool[ndarray, " window"]

    def __len__(self) -> int:
        return len(self.start)

    def rows(self, split: str, fold: int | None = None) -> ndarray:
        """Which windows belong to a part; of one model, when there are several."""
        inside = np.array([name == split for name in self.split], bool)
        return np.flatnonzero(inside if fold is None else inside & (self.fold == fold))

    @property
    def models(self) -> tuple[int, ...]:
        """The numbers of the models that predicted."""
        return tuple(np.unique(self.fold).tolist())


@dataclass(frozen=True, eq=False)
class DecodedSeries:
    """One behaviour series as decoded, at the grid's bins; `like` is the series it was decoded for."""

    like: Behavior
    values: Float32[ndarray, "bin dim"]
    about: str


@dataclass(frozen=True, eq=False)
class Annotation:
    """Everything that is written into one file, on one regular grid of bins."""

    session: str
    t0: float
    bin_size: float
    rates: Float32[ndarray, "bin unit"]  # Hz, NaN where nothing was predicted
    kind: UInt8[ndarray, " bin"]
    units: Units
    windows: WindowTable
    scheme: str
    causal: bool
    reach: float
    unit_columns: Mapping[str, ndarray] = field(default_factory=dict)
    latents: Float32[ndarray, "bin width"] | None = None
    behaviors: tuple[DecodedSeries, ...] = ()
    trials: Mapping[str, ndarray] | None = None
    trials_about: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    include_trained: bool = False
    models: int = 1  # in turn, each predicting what it was not trained on

    @property
    def clock(self) -> dict[str, float]:
        """The regular clock of every series: the first bin's middle, and bins per second."""
        return {"starting_time": self.t0 + self.bin_size / 2, "rate": 1 / self.bin_size}

    def share(self, bit: int) -> float:
        """Which share of the samples is of a kind."""
        return float(((self.kind & bit) > 0).mean()) if len(self.kind) else 0.0

    def series(self) -> tuple[tuple[str, int, str], ...]:
        """The rate series to write: name, kind of sample, description."""
        unseen = (RATES, UNSEEN, self.describe(UNSEEN))
        return (unseen, (TRAINED, SEEN, self.describe(SEEN))) if self.include_trained else (unseen,)

    def describe(self, bit: int) -> str:
        """What a rate series is, and first of all what it must not be used for."""
        which = "Only time that the model was trained on, or selected by"
        if bit == UNSEEN:
            which = "Only time that the model was not trained on"
        if bit == UNSEEN and self.models > 1:
            which = f"Every window by the one of {self.models} models that was not trained on it (fold in {WINDOWS})"
        return (
            f"{self.warning()} Firing rates (Hz) of {len(self.units)} units, one column for each row of {UNITS}, "
            f"at the middle of bins of {self.bin_size * 1000:g} ms. {HIDDEN.get(self.scheme, '')} "
            f"{which}; NaN elsewhere ({self.share(bit):.1%} of the samples are filled). "
            f"Made by nwb-mtm {self.facts.get('nwb_mtm', '')}, model {self.facts.get('model.hash', 'unknown')[:12]}; "
            f"all settings are in {FACTS}."
        )

    def warning(self) -> str:
        """The first sentence of every series."""
        if self.causal:
            use = "Causal (uses only earlier spikes)"
        else:
            use = f"Acausal (each value uses spikes up to {self.reach:g} s later), so not for latencies"
        return f"{use}; not for noise correlations, dimensionality or connectivity, which the model itself shapes."


HIDDEN = {
    "neuron": "Each unit is predicted from the other units, in a pass in which its own spikes were hidden.",
    "causal": (
        "Each bin is predicted from the bins before it in its window, its own unit's among them; where windows "
        "overlap, those that have been going on longer count more, and none uses a later bin."
    ),
    "inter-region": "Each unit is predicted from the other regions alone, its own region hidden whole.",
    "intra-region": "Each unit is predicted from other units of its own region alone.",
}
