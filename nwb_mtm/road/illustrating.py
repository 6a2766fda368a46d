"""From a model and its windows to the activity that the report draws."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nwb_mtm.baselines.linear import Design
from nwb_mtm.baselines.rivals import RIVALS
from nwb_mtm.decoding.cross import CrossSeries, cross_fit
from nwb_mtm.evaluation.scoring import evidence_of
from nwb_mtm.metrics import bits_per_spike
from nwb_mtm.passes import SCORES, Score, passes
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.report.collecting import STRETCH_WINDOWS, collect
from nwb_mtm.report.figures import Figures
from nwb_mtm.scores import SessionScores
from nwb_mtm.splits import TEST
from nwb_mtm.windows import Windows

MOST_WINDOWS = 200  # test windows behind the pictures of one session
MOST_SESSIONS = 10
MOST_TRACES = 3  # decoded series that are drawn
MOST_DECODED = 300  # windows, evenly spread, behind a drawn series


def illustrate(predictor: ModelPredictor, windows: Windows, scores: SessionScores, *, strict: bool = True) -> Figures:
    """Recorded, predicted and baseline activity of one session's test windows."""
    train, valid, test = (windows.only(part) for part in ("train", "valid", "test"))
    test = test.take(np.arange(min(len(test), MOST_WINDOWS)))
    scored = {name: scores.scores[name] for name in SCORES if name in scores.scores and scores.scores[name].model}
    predicted: dict[str, Float[ndarray, "window bin unit"]] = {
        name: predictor.predict(test, score=name, strict=strict) for name in scored
    }
    baselines: dict[str, tuple[str, Float[ndarray, "window bin unit"]]] = {
        name: (found.against, _baseline(windows, test, found.against, name, strict))
        for name, found in scored.items()
        if found.against in RIVALS
    }
    own = predictor.predict(valid, score="co-smoothing", strict=strict) if len(valid) else None
    bps = None if own is None else bits_per_spike(valid.counts, own)
    decoded = decoded_traces(predictor, windows, scores.decoding)
    return collect(train if len(train) else test, test, predicted, baselines, valid_bps=bps, decoded=decoded)


def decoded_traces(
    predictor: ModelPredictor, windows: Windows, decoding: Mapping[str, Any]
) -> dict[str, tuple[Float[ndarray, "window bin"], Float[ndarray, "window bin"]]]:
    """The first series that were decoded, in test windows: as measured, and as decoded from the model's latents.

    Every stretch of time is decoded by a decoder that was fitted on other stretches.
    """
    names = [name for name in decoding if name in windows.behaviors][:MOST_TRACES]
    if not names:
        return {}
    rows = np.unique(np.linspace(0, len(windows) - 1, min(len(windows), MOST_DECODED)).astype(int))
    some = windows.take(rows)
    shown = np.flatnonzero(some.part == TEST)[:STRETCH_WINDOWS]
    activity, found = predictor.latents(some), {}
    for name in names if len(shown) else ():
        series = some.behaviors[name]
        crossed = cross_fit(some, activity, name, counts=False)
        assert isinstance(crossed, CrossSeries)
        measured = np.where(series.valid[shown], crossed.true[shown, :, 0], np.nan)
        found[name] = measured.astype(np.float64), crossed.values[shown, :, 0].astype(np.float64)
    return found


def _baseline(
    windows: Windows, test: Windows, name: str, score: Score, strict: bool
) -> Float[ndarray, "window bin unit"]:
    """What the best baseline without simultaneous activity expects of the same windows."""
    design = Design(evidence_of(windows))
    plan = passes(windows.units, score, strict=strict)
    return RIVALS[name](design, score, plan)[: len(test)]


def of_sessions(
    predictor: ModelPredictor, sessions: Mapping[str, Windows], scores: Mapping[str, SessionScores], *, strict: bool
) -> tuple[Figures, ...]:
    """Figures of the first sessions that were scored."""
    chosen = [key for key in sessions if key in scores][:MOST_SESSIONS]
    return tuple(illustrate(predictor, sessions[key], scores[key], strict=strict) for key in chosen)
