"""From a model and sources to scores: read, cut as the model was trained, score."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nwb_mtm.baselines.oracle import Truth, find_truth
from nwb_mtm.config import Config
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.tables import write_scores
from nwb_mtm.road.preparation import Prepared, prepare
from nwb_mtm.runs import UNLOGGED, Existing, RunFolder, log_opening, run_of
from nwb_mtm.scores import Scores
from nwb_mtm.sources.reading import Progress, SourceItem, SourceOptions

if TYPE_CHECKING:
    from nwb_mtm.checkpoint import Checkpoint
    from nwb_mtm.distributed import World
    from nwb_mtm.road.events import Scored
    from nwb_mtm.road.gathering import Said
    from nwb_mtm.road.sharing import Evaluation

NO_MODEL = "baselines"  # in place of a model: score the baselines alone


@dataclass(frozen=True)
class EvaluationOptions:
    """What an evaluation of sources does beside the scores."""

    scores: Options = field(default_factory=Options)
    sources: SourceOptions = field(default_factory=SourceOptions)
    strict: bool = False  # stop at the first source that cannot be used
    truth: Path | None = None
    decode: bool = False
    world: "World | None" = None  # the processes that share the sessions; the first one has the scores


def evaluate_sources(
    model: "Checkpoint | str | Path",
    sources: Sequence[str],
    *,
    options: EvaluationOptions | None = None,
    settings: Config | None = None,
) -> "Iterator[Said | Progress | Scored]":
    """Score a model (or `baselines`, for none) on the unseen time of every session of the sources.

    Sessions the model was trained on keep their split; settings are the model's own unless given. What is found in a
    session is kept in the model's run folder until all are scored, so that the same call goes on after an interruption.
    """
    from nwb_mtm.distributed import ALONE
    from nwb_mtm.predictor import load_folds, splits_of
    from nwb_mtm.road.events import Scored
    from nwb_mtm.road.gathering import Gathered, Said, gather
    from nwb_mtm.road.sharing import Evaluated

    chosen = options or EvaluationOptions()
    models = () if str(model) == NO_MODEL else load_folds(model)
    config = settings or (models[0].config if models else Config())
    world, gathered = chosen.world or ALONE, None
    with world.first_goes_first():
        for event in gather(sources, config, chosen.sources, strict=chosen.strict):
            if isinstance(event, Gathered):
                gathered = event
            else:
                yield event
    assert gathered is not None
    prepared = prepare(gathered.recordings, config, known=splits_of(models), listed=gathered.listed)
    yield from (Said(f"{name} is skipped: {error}", warning=True) for name, error in prepared.skipped)
    yield from (Said(session.reason) for session in prepared.sessions)
    asked = _asked(model, prepared, models, chosen, _truths(gathered.items, chosen.truth))
    found = yield from asked.run()
    if isinstance(found, Evaluated):
        if not log_opening(model, "evaluate", len(found.scores.sessions)):
            yield Said(UNLOGGED, warning=True)
        yield Scored(found.scores)
    world.wait()
    asked.forget()


def write_evaluation(scores: Scores, folder: Path, existing: Existing) -> list[Path]:
    """Write scores and tables; where the folder is a run, its page is drawn anew."""
    from nwb_mtm import report

    written = list(write_scores(scores, folder, existing=existing))
    if written and RunFolder(folder).model.is_file():
        written.append(report.write(folder))
    return written


def _asked(
    model: "Checkpoint | str | Path",
    prepared: Prepared,
    models: "Sequence[Checkpoint]",
    chosen: EvaluationOptions,
    truths: Mapping[str, Truth],
) -> "Evaluation":
    from nwb_mtm.distributed import ALONE
    from nwb_mtm.road.finishing import to_decode
    from nwb_mtm.road.sharing import Evaluation

    sessions = tuple(session for session in prepared.sessions if session.is_tested) or prepared.sessions
    return Evaluation(
        models=tuple(models),
        sessions=sessions,
        options=chosen.scores,
        truths=truths,
        decoded=to_decode(sessions, everything=True) if chosen.decode else (),
        folder=None if (run := run_of(model)) is None else run.evaluated,
        store=chosen.sources.store(),
        world=chosen.world or ALONE,
    )


def _truths(items: Mapping[str, SourceItem], folder: Path | None) -> dict[str, Truth]:
    places = {key: item.place for key, item in items.items() if isinstance(item.place, Path)}
    found = {key: find_truth(place, folder) for key, place in places.items()}
    return {key: truth for key, truth in found.items() if truth is not None}
