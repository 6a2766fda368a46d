"""A checkpoint as something that can be asked: for scores, for decoding, for annotation."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm import inference
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.evaluation.scoring import Trained
from nwb_mtm.passes import Score
from nwb_mtm.windows import Windows


@dataclass(frozen=True, eq=False)
class ModelPredictor:
    """Answers from one trained model."""

    checkpoint: Checkpoint
    device: str = "cpu"

    def predict(
        self,
        windows: Windows,
        *,
        score: Score,
        folds: int | None = 10,
        hide_with: Bool[ndarray, "unit unit"] | None = None,
        strict: bool = True,
    ) -> Float[ndarray, "window bin unit"]:
        """Expected counts where the score hides them, NaN elsewhere."""
        return inference.predict(
            self.checkpoint, windows, score, folds=folds, guard=hide_with, strict=strict, device=self.device
        )

    def predict_ahead(self, windows: Windows, *, ahead: int) -> Float[ndarray, "window bin unit"]:
        """Expected counts in the last bins of every window from what came before; NaN elsewhere."""
        return inference.predict(self.checkpoint, windows, "forward", ahead=ahead, device=self.device)

    def rates(
        self, windows: Windows, visible: Bool[ndarray, " unit"] | None = None
    ) -> Float[ndarray, "window bin unit"]:
        """Rates in spikes/s of all units from the visible ones (all when None)."""
        counts = inference.reconstruct(self.checkpoint, windows, visible=visible, device=self.device)
        return counts / windows.bin_size

    def latents(
        self, windows: Windows, visible: Bool[ndarray, " unit"] | None = None
    ) -> Float[ndarray, "window bin width"]:
        """What the model holds in every bin."""
        return inference.latents(self.checkpoint, windows, visible=visible, device=self.device)

    @property
    def trained(self) -> Trained:
        """What the model has seen."""
        return Trained(self.checkpoint.splits, self.checkpoint.fingerprints, name="nwb-mtm")
