"""The sessions of an evaluation: shared over processes, and each kept in the run folder when it is done."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from nwb_mtm.baselines.oracle import Truth
from nwb_mtm.bundle import DamagedBundleError
from nwb_mtm.checkpoint import MODEL_FILE, Checkpoint
from nwb_mtm.distributed import ALONE, World, owners
from nwb_mtm.errors import RunError
from nwb_mtm.evaluation import finding, fingerprints, pooling, scoring
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.finding import Finding
from nwb_mtm.evaluation.seen import NOTHING_SEEN, Trained
from nwb_mtm.landing import placing
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.road.decoding import session_parts
from nwb_mtm.road.gathering import Said
from nwb_mtm.road.preparation import Session
from nwb_mtm.scores import Scores
from nwb_mtm.sources.store import Store
from nwb_mtm.windows import Windows

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Evaluated:
    """All scores; of several models together, and of each."""

    scores: Scores
    each: tuple[Scores, ...] = ()


@dataclass(frozen=True)
class Interrupted:
    """An evaluation was asked to stop between two sessions."""

    done: int
    count: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Prepared sessions to be scored by a model, by several (each on what it has not seen), or by baselines alone.

    What is found in a session is kept in `folder`, under a name that holds all it depends on: an evaluation that was
    interrupted goes on where it was. With several processes each takes some sessions, and the first one gets all.
    """

    models: tuple[Checkpoint, ...]
    sessions: tuple[Session, ...]
    options: Options
    truths: Mapping[str, Truth] = field(default_factory=dict)
    decoded: tuple[str, ...] = ()  # sessions whose targets are decoded, and whose regions are mapped
    folder: Path | None = None
    store: Store | None = None  # where what is found about baselines is kept
    world: World = ALONE
    stop: Callable[[], bool] = lambda: False

    def run(self) -> Generator[Said, None, Evaluated | Interrupted | None]:
        """Score every session; what came of it is for the first process."""
        count, names = len(self.sessions), self._names
        found = {key: data for key, name in names.items() if (data := self._kept(name)) is not None}
        before = self._total(len(found))
        if before:
            yield Said(f"going on with an evaluation: {before} of {count} sessions are done already")
        for key, name in names.items():
            if key in found:
                continue
            if self.stop():
                break
            found[key] = self._find(key)
            self._keep(name, found[key])
            if count > 1:
                yield Said(f"evaluated {key} ({len(found)} of {len(names)}{self._here})")
        if self.world.any(len(found) < len(names))[0]:
            return Interrupted(self._total(len(found)), count)
        pieces = self.world.gather([piece for key, data in found.items() for piece in (key.encode(), data)])
        return self._assembled(pieces) if self.world.first else None

    def forget(self) -> None:
        """Drop what was kept, when the scores are written: each process its own."""
        if self.folder is None:
            return
        with suppress(OSError):
            for name in self._names.values():
                self._path(name).unlink(missing_ok=True)
            self.folder.rmdir()

    @cached_property
    def _parts(self) -> dict[str, tuple[Windows, ...]]:
        """Every session as each model's training took it."""
        if len(self.models) > 1:
            folds = [[session.fold(number).windows for session in self.sessions] for number in range(len(self.models))]
            return pooling.parts_of_folds(self._predictors, folds)
        windows = {session.windows.session: session.windows for session in self.sessions}
        scoring.refuse_known_names(windows, self._trained)
        return {key: (scoring.respect_training(one, self._trained),) for key, one in windows.items()}

    @cached_property
    def _predictors(self) -> tuple[ModelPredictor, ...]:
        return tuple(ModelPredictor(model) for model in self.models)

    @property
    def _trained(self) -> Trained:
        return self._predictors[0].trained if self.models else NOTHING_SEEN

    @cached_property
    def _by_key(self) -> dict[str, Session]:
        return {session.windows.session: session for session in self.sessions}

    @cached_property
    def _own(self) -> tuple[str, ...]:
        """The sessions of this process: whatever is there already, all agree on them."""
        costs = [float(len(one[0]) * len(one[0].units)) for one in self._parts.values()]
        ranks = owners(costs, self.world.size)
        return tuple(key for key, rank in zip(self._parts, ranks) if rank == self.world.rank)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The names under which they are kept."""
        return {key: self._name(key) for key in self._own}

    @property
    def _here(self) -> str:
        return " of the first process" if self.world.size > 1 else ""

    def _total(self, count: int) -> int:
        return sum(int(told) for told in self.world.gather([str(count).encode()]))

    def _find(self, key: str) -> bytes:
        """All that is found in one session."""
        parts, session, truth = self._parts[key], self._by_key[key], self.truths.get(key)
        if len(self.models) > 1:
            found = pooling.find_folds(
                self._predictors, parts, self.options, truth=truth, recording=session.recording, store=self.store
            )
        else:
            predictor = self._predictors[0] if self.models else None
            scored = scoring.evaluate_session(
                predictor, parts[0], self.options, truth=truth, recording=session.recording, store=self.store
            )
            found = (Finding.of(*scored),)
        if key in self.decoded:
            model = self.models[0] if self.models else None
            found = (found[0].with_parts(**session_parts(session.windows, model, targets=session.targets)), *found[1:])
        return finding.pack(found)

    def _assembled(self, pieces: Sequence[bytes]) -> Evaluated:
        given = {key.decode(): finding.unpack(data) for key, data in zip(pieces[::2], pieces[1::2])}
        found = {key: given[key] for key in self._parts}
        recordings = {key: session.recording for key, session in self._by_key.items()}
        if len(self.models) > 1:
            trained = [one.trained for one in self._predictors]
            return Evaluated(*pooling.assembled_folds(found, self._parts, self.options, trained, recordings))
        first = {key: one[0] for key, one in found.items()}
        windows = {key: one[0] for key, one in self._parts.items()}
        name = type(self._predictors[0] if self.models else None).__name__
        return Evaluated(scoring.assembled(first, windows, self.options, self._trained, recordings, name=name))

    @cached_property
    def _marks(self) -> tuple[str, ...]:
        """What tells one model from another."""
        return tuple(
            fingerprints.digest(
                {name: part for name, part in model.header().items() if name != "provenance"},
                {name: tensor.numpy() for name, tensor in model.weights.items()},
            )
            for model in self.models
        )

    def _name(self, key: str) -> str:
        """Everything that the findings of a session depend on, as one name."""
        session = self._by_key[key]
        spikes, truth = session.recording if self.options.guarded else None, self.truths.get(key)
        windows = [fingerprints.fingerprint(one) for one in self._parts[key]]
        whole = fingerprints.fingerprint(session.windows, spikes, truth)
        targets = session.targets if key in self.decoded else "not decoded"
        return fingerprints.key("session", self._marks, windows, whole, repr(self.options), targets)

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}{SUFFIX}"

    def _kept(self, name: str) -> bytes | None:
        """What an interrupted evaluation left, when it is whole."""
        if self.folder is None:
            return None
        try:
            data = self._path(name).read_bytes()
            finding.unpack(data)
        except (OSError, DamagedBundleError, KeyError, TypeError):
            return None
        return data

    def _keep(self, name: str, data: bytes) -> None:
        """Where nothing can be kept, scores are worth more."""
        if self.folder is not None:
            with suppress(RunError), placing(self._path(name)) as temporary:
                temporary.write_bytes(data)


def everywhere(files: Sequence[Path], world: World) -> tuple[Checkpoint, ...]:
    """The models of the first process's files, on every process."""
    found = []
    for number in range(int(world.agree(len(files)))):
        data = world.spread(files[number].read_bytes() if world.first else b"")
        with TemporaryDirectory() as folder:
            path = files[number] if world.first else Path(folder) / MODEL_FILE
            if not world.first:
                path.write_bytes(data)
            found.append(Checkpoint.load(path))
    return tuple(found)
