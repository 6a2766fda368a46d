"""The road in single calls, for Python: fit, evaluate and predict on windows."""

from collections.abc import Callable, Sequence

import numpy as np

from nwb_mtm.checkpoint import Checkpoint, Model, load
from nwb_mtm.config import Config
from nwb_mtm.evaluation import scoring
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.passes import RULES, Score
from nwb_mtm.prediction import Prediction
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.scores import Scores
from nwb_mtm.splits import TEST
from nwb_mtm.training import Step, Training
from nwb_mtm.windows import Windows


def fit(
    train: Windows | Sequence[Windows],
    *,
    valid: Sequence[Windows] = (),
    config: Config | None = None,
    preset: str | None = None,
    budget: str | None = None,
    steps: int | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Checkpoint:
    """Train one model on windows of one or many sessions; without `valid`, windows split themselves.

    It takes ten minutes unless told otherwise: `budget="90s"`, `steps=200`, or any other setting in `config`.
    `on_step` is called after every step, e.g. with `print`.
    """
    asked = {"model.preset": preset, "train.budget": budget, "train.steps": steps}
    settings = (config or Config()).changed({name: value for name, value in asked.items() if value is not None})
    train = [train] if isinstance(train, Windows) else train
    if not valid:
        drawn = [one if one.partition is not None else one.with_split(seed=settings.split.seed) for one in train]
        train, valid = [one.only("train") for one in drawn], [one.only("valid") for one in drawn]
    training = Training(train, valid, settings)
    for step in training:
        if on_step is not None:
            on_step(step)
    return training.checkpoint()


def evaluate(model: Model, windows: Windows | Sequence[Windows], *, options: Options | None = None) -> Scores:
    """Score a model on unseen time, beside its baselines.

    Pass all windows of a session, or the test part of `windows.split()`: baselines learn from the training part.
    """
    predictor = ModelPredictor(load(model))
    return scoring.evaluate(predictor, windows, options=options, trained=predictor.trained)


def predict(model: Model, windows: Windows, *, score: Score = "co-smoothing") -> Prediction:
    """Rates of hidden units, bins or regions in every window, with what the model had seen."""
    predictor = ModelPredictor(load(model))
    counts = predictor.predict(windows, score=score)
    known = predictor.checkpoint.splits.get(windows.session)
    part = windows.part if known is None else known.parts(windows.start, windows.stop)
    assert part is not None
    return Prediction(
        session=windows.session,
        units=windows.units,
        start=windows.start,
        bin_size=windows.bin_size,
        rates=counts / windows.bin_size,
        scheme=RULES[score].scheme,
        seen=np.repeat((part < TEST)[:, None], windows.bins, axis=1),
        causal=score == "forward",
        reach=0.0 if score == "forward" else windows.width,
    )
