"""The truth beside simulated recordings, as a predictor: the score that nothing can beat for long."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from safetensors.numpy import load_file

from nwb_mtm.errors import RunError
from nwb_mtm.passes import Score, forward_bins, passes
from nwb_mtm.windows import Windows

STEP = 0.01  # seconds between the truth's rates


@dataclass(frozen=True, eq=False)
class Truth:
    """Rates that spikes were drawn from, constant within steps of 10 ms."""

    rates: Float[ndarray, "step unit"]  # spikes/s
    t0: float

    @classmethod
    def load(cls, path: Path) -> "Truth":
        """Read `truth/STEM.safetensors`."""
        try:
            tensors = load_file(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path.name} holds no truth: {error}.", kind="bad_model") from error
        return cls(tensors["rates"], float(tensors["t0"].reshape(-1)[0]))

    def expected(self, windows: Windows) -> Float[ndarray, "window bin unit"]:
        """Expected counts in every bin: the rates' integral, units by their row in the file."""
        rates = self.rates[:, windows.units.rows].astype(np.float64)
        total = np.concatenate([np.zeros((1, rates.shape[1])), np.cumsum(rates * STEP, axis=0)])
        edges = windows.start[:, None] + np.arange(windows.bins + 1) * windows.bin_size
        place = np.clip((edges - self.t0) / STEP, 0.0, len(rates))
        whole = np.minimum(place.astype(np.int64), len(rates) - 1)
        upto = total[whole] + rates[whole] * STEP * (place - whole)[..., None]
        return np.asarray(np.diff(upto, axis=1), np.float32)


def find_truth(source: Path, folder: Path | None = None) -> Truth | None:
    """The truth of a simulated file: in `folder`, or in `truth` beside the file or its subject's folder."""
    places = [folder] if folder is not None else [source.parent / "truth", source.parent.parent / "truth"]
    found = next((p for place in places if (p := place / f"{source.stem}.safetensors").is_file()), None)
    return None if found is None else Truth.load(found)


@dataclass(frozen=True, eq=False)
class Oracle:
    """A predictor that knows the true rates of each session."""

    truths: Mapping[str, Truth]

    def predict(
        self,
        windows: Windows,
        *,
        score: Score,
        folds: int | None = 10,
        hide_with: Bool[ndarray, "unit unit"] | None = None,
        strict: bool = True,
    ) -> Float[ndarray, "window bin unit"]:
        """Expected counts where the score hides something."""
        expected = self.truths[windows.session].expected(windows)
        out = np.full(expected.shape, np.nan, np.float32)
        plan = passes(windows.units, score, folds=folds, hide_with=hide_with, strict=strict)
        targets = np.concatenate([step.targets for step in plan]) if plan else np.zeros(0, np.int64)
        first = windows.bins - forward_bins(windows.bins) if score == "forward" else 0
        out[:, first:, targets] = expected[:, first:, targets]
        return out

    def predict_ahead(self, windows: Windows, *, ahead: int) -> Float[ndarray, "window bin unit"]:
        """Expected counts in the last bins of every window."""
        expected = self.truths[windows.session].expected(windows)
        expected[:, : windows.bins - ahead] = np.nan
        return expected
