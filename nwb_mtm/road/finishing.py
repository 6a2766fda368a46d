"""What a run does with its models: scores on unseen time, over all of it when there are several, and the page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nwb_mtm import report
from nwb_mtm.baselines.oracle import Truth
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.distributed import ALONE, World
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.tables import write_scores
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.report import figures
from nwb_mtm.road.events import Scored, Stopped, Written
from nwb_mtm.road.gathering import Said
from nwb_mtm.road.illustrating import of_sessions
from nwb_mtm.road.preparation import Session
from nwb_mtm.road.sharing import Evaluated, Evaluation, Interrupted
from nwb_mtm.runs import RunFolder
from nwb_mtm.sources.store import Store

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


def sample(sessions: Sequence[Session], most: int = SAMPLE) -> tuple[Session, ...]:
    """At most `most` sessions, one of every subject before a second of any."""
    turns: dict[str | None, int] = {}
    ranked = []
    for place, session in enumerate(sessions):
        subject = session.recording.subject
        turns[subject] = turns.get(subject, 0) + 1
        ranked.append((turns[subject], place))
    return tuple(sessions[place] for _, place in sorted(sorted(ranked)[:most], key=lambda pair: pair[1]))


def to_decode(sessions: Sequence[Session], *, everything: bool) -> tuple[str, ...]:
    """The sessions to decode: those whose list names targets, and all that say nothing when everything is asked for."""
    return tuple(s.windows.session for s in sessions if (everything if s.targets is None else s.targets))


@dataclass(frozen=True, eq=False)
class Finishing:
    """Trained models and the sessions of their run, to be scored and shown."""

    folder: RunFolder
    models: tuple[Checkpoint, ...]
    sessions: tuple[Session, ...]
    truths: Mapping[str, Truth] = field(default_factory=dict)
    store: Store | None = None
    world: World = ALONE
    stop: Callable[[], bool] = lambda: False

    def run(self) -> Iterator[Said | Scored | Written | Stopped]:
        """Scores, figures and the page (of the first model). All processes score, the first one writes."""
        asked = self._asked() if self.models[0].config.evaluate.sessions != "none" else None
        if asked is not None:
            if asked.decoded:
                yield Said("scoring test time, decoding trial columns and behaviour, and mapping regions")
            found = yield from asked.run()
            if isinstance(found, Interrupted):
                yield Stopped(self.folder, self.models[0].config.train.steps, (found.done, found.count))
                return
            if found is not None:
                yield from self._show(asked, found)
            self.world.wait()
            asked.forget()
        if self.world.first:
            yield Written(report.write(self.folder.path), "report")
            self.folder.evaluating.unlink(missing_ok=True)

    def _asked(self) -> Evaluation:
        config = self.models[0].config
        tested = [session for session in self.sessions if session.is_tested]
        chosen = sample(tested) if config.evaluate.sessions == "sample" else tuple(tested)
        return Evaluation(
            self.models,
            chosen,
            options_of(config),
            self.truths,
            to_decode(chosen, everything=config.evaluate.decode),
            self.folder.evaluated,
            self.store,
            self.world,
            self.stop,
        )

    def _show(self, asked: Evaluation, found: Evaluated) -> Iterator[Scored | Written]:
        scores, config = found.scores, self.models[0].config
        write_scores(scores, self.folder.path, existing="overwrite")
        if not any(line["by"] == "fit" for line in self.folder.read_openings()):  # one that went on is one look
            self.folder.log_opening("fit", len(scores.sessions))
        for number, one in enumerate(found.each):
            write_scores(one, self.folder.fold(number).path, existing="overwrite")
        yield Scored(scores)
        yield Written(self.folder.scores, "scores")
        windows = {s.windows.session: s.windows for s in asked.sessions}
        predictor = ModelPredictor(self.models[0])
        drawn = of_sessions(predictor, windows, scores.sessions, strict=config.units.strict_regions)
        figures.save(drawn, self.folder.figures)
