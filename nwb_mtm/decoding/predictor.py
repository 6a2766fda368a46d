"""A fitted model, as far as decoding needs one: what it expects, and what it holds, from the units it may see."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.checkpoint import Checkpoint


@runtime_checkable
class Predictor(Protocol):
    """A fitted model, as far as decoding needs one; `visible` hides all other units."""

    def expected(
        self, windows: Windows, *, visible: Bool[ndarray, " unit"] | None = None, causal: bool = False
    ) -> Float[ndarray, "window bin unit"]:
        """Expected counts of all units."""

    def latents(
        self, windows: Windows, *, visible: Bool[ndarray, " unit"] | None = None, causal: bool = False
    ) -> Float[ndarray, "window bin width"]:
        """What the model holds in every bin."""


@dataclass(frozen=True)
class CheckpointPredictor:
    """A checkpoint on a device."""

    checkpoint: "Checkpoint"
    device: str = ""  # a GPU where there is one, when none is named

    def expected(
        self, windows: Windows, *, visible: Bool[ndarray, " unit"] | None = None, causal: bool = False
    ) -> Float[ndarray, "window bin unit"]:
        """Expected counts of all units."""
        from nwb_mtm.inference import reconstruct

        return reconstruct(self.checkpoint, windows, visible=visible, causal=causal, device=self.device)

    def latents(
        self, windows: Windows, *, visible: Bool[ndarray, " unit"] | None = None, causal: bool = False
    ) -> Float[ndarray, "window bin width"]:
        """What the model holds in every bin."""
        from nwb_mtm.inference import latents

        return latents(self.checkpoint, windows, visible=visible, causal=causal, device=self.device)


def predictor_of(model: "Predictor | Checkpoint | str | Path | None") -> Predictor | None:
    """A predictor is taken as it is; a checkpoint, run folder or model file is loaded."""
    if model is None or isinstance(model, Predictor):
        return model
    from nwb_mtm.checkpoint import load

    return CheckpointPredictor(load(model))
