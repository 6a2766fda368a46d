"""A trained model beside the recording that is annotated."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nwb_mtm.alignment import cut
from nwb_mtm.errors import RunError
from nwb_mtm.recording import Recording, overlap_share
from nwb_mtm.splits import Split
from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.checkpoint import Checkpoint

SAME_RECORDING = 0.5  # share of common units above which two recordings are one


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model beside one recording: the units it knows, in its order, and how the recording was split."""

    checkpoint: "Checkpoint"
    recording: Recording
    windows: Windows  # as in training, all parts
    split: Split

    @property
    def is_tiled(self) -> bool:
        """Whether the model was trained on all time, not on windows around an event."""
        return self.windows.alignment.startswith("tile")


def beside(checkpoint: "Checkpoint", recording: Recording) -> Fitted:
    """Find the recording among the model's sessions, by its key or by its spikes."""
    key = known_session(checkpoint, recording)
    names = checkpoint.vocabulary.units[key]
    place = {name: i for i, name in enumerate(recording.units.keys)}
    missing = [name for name in names if name not in place]
    if missing:
        raise RunError(
            f"{recording.source.name} lacks {len(missing)} of the {len(names)} units that the model was trained on "
            f"(first: {missing[0]}).",
            kind="does_not_fit",
        )
    chosen = recording.select(np.array([place[name] for name in names], np.int64))
    units = replace(chosen.units, regions=checkpoint.vocabulary.regions[key])
    chosen = replace(chosen, key=key, units=units)
    split = checkpoint.splits[key]
    windows = cut(replace(chosen, behaviors={}), checkpoint.config.windows).windows.assigned(split)
    return Fitted(checkpoint, chosen, windows, split)


def beside_all(model: Any, recording: Recording) -> tuple[Fitted, ...]:
    """The recording beside every model of a run."""
    from nwb_mtm.predictor import load_folds

    first, *others = load_folds(model)
    fitted = beside(first, recording)
    return (fitted, *(_other(fitted, checkpoint) for checkpoint in others))


def _other(fitted: Fitted, checkpoint: "Checkpoint") -> Fitted:
    key = fitted.recording.key
    split = checkpoint.splits[key]
    if checkpoint.vocabulary.units[key] != fitted.recording.units.keys:
        raise RunError("The models of this run know different units; fit it again.", kind="does_not_fit")
    return replace(fitted, checkpoint=checkpoint, windows=fitted.windows.assigned(split), split=split)


def known_session(checkpoint: "Checkpoint", recording: Recording) -> str:
    """The key under which the model knows a recording."""
    marks = recording.fingerprint
    shares = {key: overlap_share(marks, known) for key, known in checkpoint.fingerprints.items()}
    best = max(shares, key=lambda key: shares[key], default="")
    if best and shares[best] > SAME_RECORDING:
        return best
    if recording.key in checkpoint.vocabulary.units and not checkpoint.fingerprints.get(recording.key):
        return recording.key
    raise RunError(
        f"The model was not trained on the units of {recording.source.name}; it knows "
        f"{', '.join(checkpoint.vocabulary.sessions[:5])}.",
        kind="does_not_fit",
    )


def cut_rows(
    fitted: Fitted, start: Float[ndarray, " row"], *, behaviors: bool = False
) -> tuple[Windows, Int[ndarray, " kept"]]:
    """Windows at the given starts, and which of these were observed enough to be cut."""
    recording = fitted.recording if behaviors else replace(fitted.recording, behaviors={})
    windows = Windows.at(recording, start, bins=fitted.windows.bins, bin_size=fitted.windows.bin_size)
    kept = np.searchsorted(start, windows.start) if len(start) else np.zeros(0, np.int64)
    return windows, kept
