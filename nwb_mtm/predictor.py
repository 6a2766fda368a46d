"""A checkpoint as something that can be asked: for scores, for decoding, for annotation."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm import inference
from nwb_mtm.checkpoint import Checkpoint, Model
from nwb_mtm.evaluation.seen import Trained
from nwb_mtm.passes import Score
from nwb_mtm.runs import model_files
from nwb_mtm.splits import Split
from nwb_mtm.windows import Windows


def load_folds(model: Model) -> tuple[Checkpoint, ...]:
    """The models behind a MODEL: one, or those of a run that was fitted in folds."""
    return (model,) if isinstance(model, Checkpoint) else tuple(Checkpoint.load(file) for file in model_files(model))


def splits_of(models: Sequence[Checkpoint]) -> dict[str, tuple[Split, ...]]:
    """How every session is split, model by model."""
    return {key: tuple(model.splits[key] for model in models) for key in (models[0].splits if models else ())}


@dataclass(frozen=True, eq=False)
class ModelPredictor:
    """Answers from one trained model."""

    checkpoint: Checkpoint
    device: str = ""  # a GPU where there is one, when none is named

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
