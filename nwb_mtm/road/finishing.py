"""What a run does with its models: scores on unseen time, over all of it when there are several, and decoding."""

from collections.abc import Mapping, Sequence

from nwb_mtm.baselines.oracle import Truth
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.evaluation import scoring
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.pooling import evaluate_folds
from nwb_mtm.evaluation.scoring import NOTHING_SEEN
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.road.preparation import Session
from nwb_mtm.scores import Scores

SAMPLE = 20  # sessions scored by default


def options_of(config: Config) -> Options:
    """How the settings want a model scored."""
    settings = config.evaluate
    return Options(
        folds=settings.folds or None,
        strict=config.units.strict_regions,
        draws=settings.bootstraps,
        seed=settings.seed,
    )


def score_sessions(
    models: Sequence[Checkpoint], sessions: Sequence[Session], options: Options, *, truths: Mapping[str, Truth]
) -> tuple[Scores, tuple[Scores, ...]]:
    """All scores of a model (or the baselines alone, without any) on the test windows of prepared sessions.

    Of several models, each is scored on the windows it has not seen; the first scores are of all of them together,
    the others of each.
    """
    recordings = {session.windows.session: session.recording for session in sessions}
    if len(models) > 1:
        folds = [[session.fold(number).windows for session in sessions] for number in range(len(models))]
        predictors = [ModelPredictor(model) for model in models]
        return evaluate_folds(predictors, folds, options=options, truths=truths, recordings=recordings)
    predictor = ModelPredictor(models[0]) if models else None
    scores = scoring.evaluate(
        predictor,
        [session.windows for session in sessions],
        options=options,
        trained=NOTHING_SEEN if predictor is None else predictor.trained,
        truths=truths,
        recordings=recordings,
    )
    return scores, ()


def sample(sessions: Sequence[Session], most: int = SAMPLE) -> tuple[Session, ...]:
    """At most `most` sessions, one of every subject before a second of any."""
    turns: dict[str | None, int] = {}
    ranked = []
    for place, session in enumerate(sessions):
        subject = session.recording.subject
        turns[subject] = turns.get(subject, 0) + 1
        ranked.append((turns[subject], place))
    return tuple(sessions[place] for _, place in sorted(sorted(ranked)[:most], key=lambda pair: pair[1]))


def to_decode(sessions: Sequence[Session], *, everything: bool) -> tuple[Session, ...]:
    """The sessions to decode: those whose list names targets, and all that say nothing when everything is asked for."""
    return tuple(s for s in sessions if (everything if s.targets is None else s.targets))


def with_decoding(scores: Scores, sessions: Sequence[Session], checkpoint: Checkpoint | None) -> Scores:
    """The scores with every session's decoding and map of regions."""
    from nwb_mtm.road.decoding import session_parts

    for session in sessions:
        found = session_parts(session.windows, checkpoint, targets=session.targets)
        scores = scores.with_session(session.windows.session, **found)
    return scores
