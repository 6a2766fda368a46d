"""The whole road in one place: read, prepare, train, evaluate, report; what happens is yielded as it happens."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nwb_mtm.baselines.oracle import Truth, find_truth
from nwb_mtm.checkpoint import Checkpoint, read_tensors
from nwb_mtm.config import Config
from nwb_mtm.decoding.targets import choose
from nwb_mtm.distributed import ALONE, World
from nwb_mtm.errors import NwbMtmError, RunError
from nwb_mtm.evaluation.fingerprints import versions
from nwb_mtm.road.events import Scored, Stopped, Written
from nwb_mtm.road.finetuning import Compared, Start, control, curve
from nwb_mtm.road.finishing import Finishing
from nwb_mtm.road.gathering import Gathered, Said, gather
from nwb_mtm.road.preparation import Prepared, check_training, prepare, shared_regions
from nwb_mtm.road.sharing import everywhere
from nwb_mtm.road.stepping import Stepping
from nwb_mtm.runs import RunFolder, model_files, write_json
from nwb_mtm.schema import seconds
from nwb_mtm.sources.reading import Progress, SourceOptions
from nwb_mtm.training import Step, Training

Event = Said | Progress | Step | Scored | Written | Stopped | Compared


@dataclass(frozen=True)
class FitOptions:
    """What a fit does beside training."""

    sources: SourceOptions = field(default_factory=SourceOptions)
    strict: bool = False
    truth: Path | None = None
    command: str = ""
    start: Start | None = None
    stop: Callable[[], bool] = lambda: False
    tensorboard: bool = False
    world: World = ALONE  # the processes that train together; the first one reads first, evaluates and writes


def fit_run(sources: Sequence[str], folder: RunFolder, config: Config, options: FitOptions) -> Iterator[Event]:
    """The whole road for the sources, into a run folder."""
    run = _Run(tuple(sources), folder, options)
    yield from run.prepare(config)
    if config.split.folds > 1:
        yield from run.train_folds(config)
        return
    training = run.training(config)
    yield from run.train(training, training.checkpoint())


def resume_run(path: Path, options: FitOptions) -> Iterator[Event]:
    """Go on with a run that was stopped, from its own folder alone."""
    folder = RunFolder(path)
    if not folder.resume.exists() and folder.evaluating.exists():
        yield from _evaluate_trained(folder, options)
        return
    if not folder.resume.exists():
        what = "is finished" if folder.model.exists() else "holds no state to go on from"
        raise RunError(f"{path} {what}; --resume needs a run that was stopped.", kind="not_a_run")
    header = read_tensors(folder.resume)[1]
    config, notes = Config.from_table(header["config"]), header["notes"]
    options = yield from _recalled(options, notes)
    run = _Run(tuple(notes["sources"]), folder, options, spent=notes["seconds"])
    yield from run.prepare(config)
    if config.split.folds > 1:
        config = config.changed({"train.budget": notes["budget"]})
        yield from run.train_folds(config, notes["fold"])
        return
    training = run.training(config)
    start = training.checkpoint()
    try:
        training.load_resume(folder.resume)
    except RuntimeError as error:
        said = f"The state in {path} does not fit its recordings; name the model that the run started from with --from."
        raise RunError(said, kind="does_not_fit") from error
    if options.world.first:
        folder.cut_steps(training.step)
    yield Said(f"Going on after step {training.step} of {training.steps}.")
    yield from run.train(training, start)


def _recalled(options: FitOptions, notes: Mapping[str, Any]) -> Generator[Event, None, FitOptions]:
    """The options, with the model that the run started from."""
    if options.start is not None:
        return options
    try:
        return replace(options, start=Start.recalled(notes))
    except NwbMtmError as error:
        yield Said(f"{error} The run goes on, and is not compared with training from scratch.", warning=True)
        return options


def _evaluate_trained(folder: RunFolder, options: FitOptions) -> Iterator[Event]:
    """Go on after training: what is missing are the scores of some sessions, or of all."""
    notes = json.loads(folder.evaluating.read_text(encoding="utf-8"))
    options = yield from _recalled(options, notes)
    run = _Run(tuple(notes["sources"]), folder, options)
    config = Config.load(folder.config)
    yield from run.prepare(config)
    if options.world.first and options.start is not None and not folder.finetuning.exists():
        start = replace(run, options=replace(options, world=ALONE)).training(config).checkpoint()
        yield from run.against_scratch(Checkpoint.load(folder.model), start)
    yield from run.finish()


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
        chosen = self.options
        with chosen.world.first_goes_first():
            for event in gather(self.sources, config, chosen.sources, strict=chosen.strict, stop=chosen.stop):
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
        if self.options.start is None:
            check_training(self.prepared, config.split.folds)

    def _write_sources(self) -> None:
        if not self.options.world.first:
            return
        failed = [*self.gathered.failed, *self.prepared.skipped]
        content = {
            "sources": [session.to_json() for session in self.prepared.sessions],
            "skipped": [{"name": n, "kind": e.kind, "message": str(e)} for n, e in failed],
            "command": self.options.command,
            "versions": versions(),
        }
        write_json(self.folder.sources, content)

    def training(self, config: Config, fold: int = 0) -> Training:
        """Training on the prepared windows; a level of regions that was chosen stays with the model."""
        if config.units.region_level == "auto":
            config = config.changed({"units.region_level": self.prepared.vocabulary.level})
        prepared, start = self.prepared.fold(fold), self.options.start
        return Training(
            prepared.part("train"),
            prepared.part("valid"),
            config,
            self.prepared.vocabulary,
            init=None if start is None else start.model,
            freeze=None if start is None else start.freeze,
            provenance={
                "command": self.options.command,
                "versions": versions(),
                "sources": [{k: s.to_json()[k] for k in SOURCE_KEYS} for s in self.prepared.sessions],
            },
            world=self.options.world,
        )

    def train(self, training: Training, start: Checkpoint) -> Iterator[Event]:
        """Step after step; then scores, figures and the page."""
        self._write_sources()
        if (yield from self._stepping().run(training, self.folder)):
            return
        checkpoint = self._with_all_splits(training.checkpoint())
        if self.options.world.first:
            training.config.save(self.folder.config)
            yield Written(checkpoint.save(self.folder.model), "model")
            self._end_training()
            yield from self.against_scratch(checkpoint, start)
        yield from self.finish()

    def train_folds(self, config: Config, first: int = 0) -> Iterator[Event]:
        """One model after the other, each with other test time; the budget is shared out between them."""
        count = config.split.folds
        share = {"train.budget": f"{seconds(config.train.budget) / count:g}s"}
        for number in range(first, count):
            own = self.folder.fold(number)
            training = self.training(config.changed(share), number)
            self._write_sources()
            notes = {"fold": number, "budget": config.train.budget}
            if number == first and self.folder.resume.exists():
                training.load_resume(self.folder.resume)
                if self.options.world.first:
                    own.cut_steps(training.step)
                yield Said(f"Going on with model {number + 1} of {count} after step {training.step}.")
            else:
                self.spent = 0.0
                self._stepping(notes).save(training, 0.0)
                yield Said(f"model {number + 1} of {count}, tested on other time than the others")
            if (yield from self._stepping(notes).run(training, own)):
                return
            checkpoint = training.checkpoint()
            if self.options.world.first:
                training.config.save(own.config)
                yield Written(checkpoint.save(own.model), f"model {number + 1}")
            config = config.changed({"train.steps": training.steps, "train.looks": training.config.train.looks})
        if self.options.world.first:
            self._save_folds(config)
        yield from self.finish()

    def _save_folds(self, config: Config) -> None:
        """What takes one model takes the first."""
        own = [self.folder.fold(number) for number in range(config.split.folds)]
        config.save(self.folder.config)
        models = [self._with_all_splits(Checkpoint.load(one.model), i) for i, one in enumerate(own)]
        for one, model in zip(own, models):
            model.save(one.model)
        self.folder.copy(own[0])
        self._end_training()

    def _end_training(self) -> None:
        """From here on, whoever goes on evaluates."""
        write_json(self.folder.evaluating, self._notes())
        self.folder.resume.unlink(missing_ok=True)

    def _stepping(self, notes: Mapping[str, Any] | None = None) -> Stepping:
        chosen = self.options
        known = {**self._notes(), **(notes or {})}
        return Stepping(self.folder, known, chosen.world, chosen.stop, self.spent, chosen.tensorboard)

    def _notes(self) -> dict[str, Any]:
        """What whoever goes on needs to know."""
        start = self.options.start
        return {"sources": list(self.sources), **(start.to_notes() if start is not None else {})}

    def _with_all_splits(self, checkpoint: Checkpoint, fold: int = 0) -> Checkpoint:
        """The model, which also knows the sessions that only selected it."""
        windows = {s.windows.session: s.windows for s in self.prepared.fold(fold).sessions}
        splits = {key: one.partition for key, one in windows.items() if one.partition is not None}
        marks = {key: one.fingerprint for key, one in windows.items()}
        return replace(
            checkpoint, splits={**splits, **checkpoint.splits}, fingerprints={**marks, **checkpoint.fingerprints}
        )

    def against_scratch(self, checkpoint: Checkpoint, start: Checkpoint) -> Iterator[Event]:
        """With a model to start from: was it worth it?"""
        begun = self.options.start
        if begun is None or not begun.control:
            return
        yield Said("training the same sessions from scratch for as many steps, for comparison")
        found: list[Compared] = []
        events = [control(checkpoint, start, begun.model, self.prepared)]
        if begun.trials_curve:
            counts = begun.trials_curve
            events.append(curve(begun.model, self.prepared, checkpoint.config, counts, freeze=begun.freeze))
        for event in (one for some in events for one in some):
            if isinstance(event, Compared):
                found.append(event)
            yield event
        write_json(self.folder.finetuning, [one.to_json() for one in found])

    def finish(self) -> Iterator[Event]:
        """Scores, figures and the page of what was trained."""
        chosen = self.options
        files = model_files(self.folder.path) if chosen.world.first else ()
        models = everywhere(files, chosen.world)
        sessions, store = self.prepared.sessions, chosen.sources.store()
        yield from Finishing(self.folder, models, sessions, self._truths(), store, chosen.world, chosen.stop).run()

    def _truths(self) -> dict[str, Truth]:
        found = {}
        for key, item in self.gathered.items.items():
            if isinstance(item.place, Path):
                truth = find_truth(item.place, self.options.truth)
                if truth is not None:
                    found[key] = truth
        return found


SOURCE_KEYS = ("key", "name", "dandiset", "version", "etag", "doi", "licence", "identifier", "object_id", "alignment")
