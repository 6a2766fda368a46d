"""Presets, schemes and sizes side by side: ranked on validation, test time opened for the winner and references."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError
from nwb_mtm.evaluation import scoring
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.presets import schemes_alone
from nwb_mtm.road.gathering import Gathered, Said, gather
from nwb_mtm.road.preparation import Prepared, prepare
from nwb_mtm.scores import Scores
from nwb_mtm.sources.reading import SourceOptions
from nwb_mtm.sources.store import Store
from nwb_mtm.training import Step, Training
from nwb_mtm.vocabulary import Vocabulary


@dataclass(frozen=True)
class Contender:
    """One way to train: its settings, and how many sessions it sees (all when None)."""

    name: str
    config: Config
    sessions: int | None = None


@dataclass(frozen=True)
class Trial:
    """One contender trained with one seed."""

    name: str
    seed: int
    valid: Mapping[str, float]
    windows: int
    rising: bool  # the last look at validation was the best
    checkpoint: Checkpoint

    @property
    def overall(self) -> float:
        """Mean of the validation scores, on which contenders are ranked."""
        return mean(self.valid.values()) if self.valid else float("-inf")


@dataclass(frozen=True)
class Opened:
    """Test scores of one contender, after the ranking."""

    name: str
    scores: Scores


def contenders(
    config: Config,
    *,
    presets: Sequence[str] = (),
    schemes: Sequence[str] = (),
    ratios: Sequence[float] = (),
    prompt: bool = False,
    sessions: Sequence[int] = (),
) -> tuple[Contender, ...]:
    """Everything that is to be compared; several lists are crossed.

    >>> [c.name for c in contenders(Config(), presets=["default", "ndt1-mtm"], sessions=[1, 3])]
    ['default, 1 session', 'default, 3 sessions', 'ndt1-mtm, 1 session', 'ndt1-mtm, 3 sessions']
    """
    found = [Contender(name, config.changed({"model.preset": name})) for name in presets] or [
        Contender("as set", config)
    ]
    if schemes:
        found = [_alone(one, name) for one in found for name in schemes]
    if ratios:
        found = [_ratio(one, value) for one in found for value in ratios]
    if prompt:
        found = [_prompt(one, told) for one in found for told in (True, False)]
    if sessions:
        found = [_few(one, count) for one in found for count in sessions]
    return tuple(found)


def _changed(one: Contender, words: str, changes: Mapping[str, object]) -> Contender:
    name = words if one.name == "as set" else f"{one.name}, {words}"
    return replace(one, name=name, config=one.config.changed(changes))


def _alone(one: Contender, scheme: str) -> Contender:
    return _changed(one, f"{scheme} alone", schemes_alone([scheme]))


def _ratio(one: Contender, ratio: float) -> Contender:
    return _changed(one, f"ratio {ratio:g}", {"schemes.ratio_low": ratio, "schemes.ratio_high": ratio})


def _prompt(one: Contender, told: bool) -> Contender:
    return _changed(one, "prompt" if told else "no prompt", {"schemes.prompt": told})


def _few(one: Contender, count: int) -> Contender:
    return replace(_changed(one, f"{count} session{'s' if count > 1 else ''}", {}), sessions=count)


def compare(
    sources: Sequence[str],
    field: Sequence[Contender],
    *,
    seeds: int = 1,
    references: Sequence[str] = (),
    options: SourceOptions | None = None,
    strict: bool = False,
) -> Iterator[Said | Step | Trial | Opened]:
    """Train every contender with every seed; then score the winner and the references on test time."""
    gathered: Gathered | None = None
    for event in gather(sources, field[0].config, options, strict=strict):
        if isinstance(event, Gathered):
            gathered = event
        elif isinstance(event, Said):
            yield event
    assert gathered is not None
    trials: list[Trial] = []
    for contender in field:
        prepared = _prepared(gathered, contender)
        for seed in range(seeds):
            yield Said(f"training {contender.name}, seed {seed}")
            training = _training(prepared, contender.config, seed)
            yield from training
            trials.append(_trial(contender.name, seed, training))
            yield trials[-1]
    by_name = {contender.name: contender for contender in field}
    for name in opened_names(trials, references):
        best = max((trial for trial in trials if trial.name == name), key=lambda trial: trial.overall)
        prepared = _prepared(gathered, by_name[name])
        yield Opened(name, _opened(best.checkpoint, prepared, (options or SourceOptions()).store()))


def opened_names(trials: Sequence[Trial], references: Sequence[str]) -> tuple[str, ...]:
    """The winner on validation (mean over seeds), then the named references."""
    names = list(dict.fromkeys(trial.name for trial in trials))
    unknown = [name for name in references if name not in names]
    if unknown:
        raise ConfigError(f"{unknown[0]!r} was not compared; these were: {', '.join(names)}.", kind="bad_value")
    winner = max(names, key=lambda name: mean(t.overall for t in trials if t.name == name))
    return tuple(dict.fromkeys([winner, *references]))


def _prepared(gathered: Gathered, contender: Contender) -> Prepared:
    prepared = prepare(gathered.recordings, contender.config, listed=gathered.listed)
    kept = prepared.sessions[: contender.sessions]
    vocabulary = Vocabulary.from_windows((s.windows for s in kept), prepared.vocabulary.level)
    return Prepared(kept, prepared.skipped, vocabulary)


def _training(prepared: Prepared, config: Config, seed: int) -> Training:
    train, valid = prepared.part("train"), prepared.part("valid")
    return Training(train, valid, config, prepared.vocabulary, seed=seed)


def _trial(name: str, seed: int, training: Training) -> Trial:
    return Trial(
        name=name,
        seed=seed,
        valid=training.best_valid,
        windows=training.windows_seen,
        rising=training.best_step == training.step,
        checkpoint=training.checkpoint(),
    )


def _opened(checkpoint: Checkpoint, prepared: Prepared, store: Store) -> Scores:
    predictor = ModelPredictor(checkpoint)
    settings = checkpoint.config.evaluate
    chosen = Options(
        folds=settings.folds or None,
        strict=checkpoint.config.units.strict_regions,
        guarded=False,
        draws=settings.bootstraps,
        seed=settings.seed,
    )
    windows = [session.windows for session in prepared.sessions]
    return scoring.evaluate(predictor, windows, options=chosen, trained=predictor.trained, store=store)
