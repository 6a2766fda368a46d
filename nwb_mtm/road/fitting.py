"""The whole road in one place: read, prepare, train, evaluate, report; what happens is yielded as it happens."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nwb_mtm import report
from nwb_mtm.baselines.oracle import Truth, find_truth
from nwb_mtm.checkpoint import Checkpoint, read_tensors
from nwb_mtm.config import Config
from nwb_mtm.decoding.targets import choose
from nwb_mtm.errors import RunError
from nwb_mtm.evaluation import scoring
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.tables import write_scores
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.report import figures
from nwb_mtm.road.finetuning import Compared, control, curve
from nwb_mtm.road.gathering import Gathered, Said, gather
from nwb_mtm.road.illustrating import of_sessions
from nwb_mtm.road.preparation import Prepared, Session, prepare, shared_regions
from nwb_mtm.runs import RunFolder, write_json
from nwb_mtm.scores import Scores
from nwb_mtm.sources.reading import SourceOptions
from nwb_mtm.training import Step, Training

SAVE_SECONDS = 120.0  # between saves of the state that a stopped run goes on from
SAMPLE = 20  # sessions scored by default


@dataclass(frozen=True)
class Scored:
    """The scores of a run."""

    scores: Scores


@dataclass(frozen=True)
class Written:
    """A file that is whole."""

    path: Path
    what: str


@dataclass(frozen=True)
class Stopped:
    """Training was asked to stop; its state is saved."""

    folder: RunFolder
    step: int


Event = Said | Step | Scored | Written | Stopped | Compared


@dataclass(frozen=True)
class FitOptions:
    """What a fit does beside training."""

    sources: SourceOptions = field(default_factory=SourceOptions)
    strict: bool = False
    truth: Path | None = None
    command: str = ""
    init: Checkpoint | None = None
    freeze: str | None = None
    control: bool = True  # with `init`: train from scratch too, and compare
    trials_curve: tuple[int, ...] = ()  # with `init`: compare for these numbers of training windows
    stop: Callable[[], bool] = lambda: False


def fit_run(sources: Sequence[str], folder: RunFolder, config: Config, options: FitOptions) -> Iterator[Event]:
    """The whole road for the sources, into a run folder."""
    run = _Run(tuple(sources), folder, options)
    yield from run.prepare(config)
    yield from run.train(run.training(config))


def resume_run(path: Path, options: FitOptions) -> Iterator[Event]:
    """Go on with a run that was stopped, from its own folder alone."""
    folder = RunFolder(path)
    if not folder.resume.exists():
        what = "is finished" if folder.model.exists() else "holds no state to go on from"
        raise RunError(f"{path} {what}; --resume needs a run that was stopped.", kind="not_a_run")
    header = read_tensors(folder.resume)[1]
    config = Config.from_table(header["config"])
    run = _Run(tuple(header["notes"]["sources"]), folder, options, spent=header["notes"]["seconds"])
    yield from run.prepare(config)
    training = run.training(config)
    training.load_resume(folder.resume)
    folder.cut_steps(training.step)
    yield Said(f"Going on after step {training.step} of {training.steps}.")
    yield from run.train(training)


@dataclass
class _Run:
    """One run while it lasts."""

    sources: tuple[str, ...]
    folder: RunFolder
    options: FitOptions
    spent: float = 0.0  # seconds trained before a stop
    gathered: Gathered = field(default_factory=lambda: Gathered((), {}, ()))
    prepared: Prepared = field(default_factory=lambda: Prepared(()))

    def prepare(self, config: Config) -> Iterator[Event]:
        """Read the sources, cut windows, and write down what was left out."""
        for event in gather(
            self.sources, config, self.options.sources, strict=self.options.strict, stop=self.options.stop
        ):
            if isinstance(event, Gathered):
                self.gathered = event
            else:
                yield event
        self.prepared = prepare(self.gathered.recordings, config, listed=self.gathered.listed)
        for session in self.prepared.sessions:
            if session.targets is not None:
                choose(session.windows, session.targets)  # a wrong name is said before training
            yield Said(session.reason)
            yield from (Said(f"{session.windows.session}: {text}", warning=True) for text in session.warnings)
        yield from (Said(f"{name} is skipped: {error}", warning=True) for name, error in self.prepared.skipped)
        windows = [session.windows for session in self.prepared.sessions]
        if len(windows) > 1 and not shared_regions(windows):
            yield Said("no region is in more than one session, so sessions can teach each other little", warning=True)
        self._write_sources()

    def _write_sources(self) -> None:
        failed = [*self.gathered.failed, *self.prepared.skipped]
        content = {
            "sources": [session.to_json() for session in self.prepared.sessions],
            "skipped": [{"name": n, "kind": e.kind, "message": str(e)} for n, e in failed],
            "command": self.options.command,
            "versions": scoring.versions(),
        }
        write_json(self.folder.sources, content)

    def training(self, config: Config) -> Training:
        """Training on the prepared windows; a level of regions that was chosen stays with the model."""
        if config.units.region_level == "auto":
            config = config.changed({"units.region_level": self.prepared.vocabulary.level})
        return Training(
            self.prepared.part("train"),
            self.prepared.part("valid"),
            config,
            self.prepared.vocabulary,
            init=self.options.init,
            freeze=self.options.freeze,
            provenance={
                "command": self.options.command,
                "versions": scoring.versions(),
                "sources": [{k: s.to_json()[k] for k in SOURCE_KEYS} for s in self.prepared.sessions],
            },
        )

    def train(self, training: Training) -> Iterator[Event]:
        """Step after step; then scores, figures and the page."""
        start = training.checkpoint()
        yield from (Said(note) for note in training.notes)
        started = saved = time.monotonic()
        for step in training:
            seconds = self.spent + time.monotonic() - started
            self.folder.log_step(_line(step, seconds))
            yield step
            stop = self.options.stop() and step.step < step.steps
            if stop or time.monotonic() - saved > SAVE_SECONDS:
                training.save_resume(self.folder.resume, {"sources": list(self.sources), "seconds": seconds})
                saved = time.monotonic()
            if stop:
                yield Stopped(self.folder, step.step)
                return
        training.config.save(self.folder.config)
        checkpoint = self._with_all_splits(training.checkpoint())
        yield Written(checkpoint.save(self.folder.model), "model")
        self.folder.resume.unlink(missing_ok=True)
        yield from self._against_scratch(checkpoint, start)
        yield from self.finish(checkpoint)

    def _with_all_splits(self, checkpoint: Checkpoint) -> Checkpoint:
        """The model, which also knows the sessions that only selected it."""
        windows = {s.windows.session: s.windows for s in self.prepared.sessions}
        splits = {key: one.partition for key, one in windows.items() if one.partition is not None}
        marks = {key: one.fingerprint for key, one in windows.items()}
        return replace(
            checkpoint, splits={**splits, **checkpoint.splits}, fingerprints={**marks, **checkpoint.fingerprints}
        )

    def _against_scratch(self, checkpoint: Checkpoint, start: Checkpoint) -> Iterator[Event]:
        """With a model to start from: was it worth it?"""
        init = self.options.init
        if init is None or not self.options.control:
            return
        yield Said("training the same sessions from scratch for as many steps, for comparison")
        found: list[Compared] = []
        events = [control(checkpoint, start, self.prepared)]
        if self.options.trials_curve:
            freeze = self.options.freeze
            events.append(curve(init, self.prepared, checkpoint.config, self.options.trials_curve, freeze=freeze))
        for event in (one for some in events for one in some):
            if isinstance(event, Compared):
                found.append(event)
            yield event
        write_json(self.folder.path / "finetuning.json", [one.to_json() for one in found])

    def finish(self, checkpoint: Checkpoint) -> Iterator[Event]:
        """Scores, figures and the page of a trained model."""
        config = checkpoint.config
        if config.evaluate.sessions != "none":
            tested = [session for session in self.prepared.sessions if session.is_tested]
            chosen = sample(tested) if config.evaluate.sessions == "sample" else tested
            predictor = ModelPredictor(checkpoint)
            scores = score_sessions(predictor, chosen, config, truths=self._truths())
            if decoded := to_decode(chosen, everything=config.evaluate.decode):
                yield Said("decoding trial columns and behaviour, and mapping regions")
                scores = with_decoding(scores, decoded, checkpoint)
            write_scores(scores, self.folder.path, existing="overwrite")
            self.folder.log_opening("fit", len(scores.sessions))
            yield Scored(scores)
            yield Written(self.folder.scores, "scores")
            windows = {s.windows.session: s.windows for s in chosen}
            drawn = of_sessions(predictor, windows, scores.sessions, strict=config.units.strict_regions)
            figures.save(drawn, self.folder.figures)
        yield Written(report.write(self.folder.path), "report")

    def _truths(self) -> dict[str, Truth]:
        found = {}
        for key, item in self.gathered.items.items():
            if isinstance(item.place, Path):
                truth = find_truth(item.place, self.options.truth)
                if truth is not None:
                    found[key] = truth
        return found


SOURCE_KEYS = ("key", "name", "dandiset", "version", "etag", "doi", "licence", "identifier", "object_id", "alignment")


def _line(step: Step, seconds: float) -> dict[str, Any]:
    line: dict[str, Any] = {"step": step.step, "seconds": round(seconds, 2), "loss": dict(step.loss)}
    if step.valid is not None:
        line["valid"] = dict(step.valid)
    return {**line, "windows_per_s": round(step.windows_per_s, 1)}


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


def score_sessions(
    predictor: ModelPredictor, sessions: Sequence[Session], config: Config, *, truths: Mapping[str, Truth]
) -> Scores:
    """All scores of a model on the test windows of prepared sessions."""
    settings = config.evaluate
    options = Options(
        folds=settings.folds or None,
        strict=config.units.strict_regions,
        draws=settings.bootstraps,
        seed=settings.seed,
    )
    return scoring.evaluate(
        predictor,
        [session.windows for session in sessions],
        options=options,
        trained=predictor.trained,
        truths=truths,
        recordings={session.windows.session: session.recording for session in sessions},
    )
