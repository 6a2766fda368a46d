"""Was it worth starting from another model? Zero-shot, finetuned and from scratch, at one budget, paired."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nwb_mtm.annotation.provenance import model_hash
from nwb_mtm.checkpoint import Checkpoint, load
from nwb_mtm.config import Config
from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.activity import Bench, Options
from nwb_mtm.evaluation.scoring import evidence_of
from nwb_mtm.evaluation.tallies import Tally, gain
from nwb_mtm.intervals import Value
from nwb_mtm.model.guessing import guessed
from nwb_mtm.passes import SCORES, Score
from nwb_mtm.predictor import ModelPredictor
from nwb_mtm.road.preparation import Prepared
from nwb_mtm.training import Step, Training
from nwb_mtm.windows import Windows

UNTRAINED = ("mean_row", "zero_shot", "aligned")


@dataclass(frozen=True)
class Start:
    """The model that a run starts from, and what the run is held against."""

    model: Checkpoint
    place: str = ""  # where it was loaded from, for whoever goes on
    freeze: str | None = None
    control: bool = True  # train from scratch too, and compare
    trials_curve: tuple[int, ...] = ()  # compare for these numbers of training windows, too

    def to_notes(self) -> dict[str, Any]:
        """What whoever goes on needs to know of it; nothing where it has no place."""
        if not self.place:
            return {}
        words = {"model": str(Path(self.place).absolute()), "hash": model_hash(self.model), "freeze": self.freeze}
        return {"start": {**words, "control": self.control, "trials_curve": list(self.trials_curve)}}

    @classmethod
    def recalled(cls, notes: Mapping[str, Any]) -> "Start | None":
        """The start that notes tell of; an error where the model is not there any more, or is another one."""
        told = notes.get("start")
        if told is None:
            return None
        model = load(told["model"])
        if model_hash(model) != told["hash"]:
            raise RunError(f"{told['model']} holds another model than at the start.", kind="bad_model")
        return cls(model, told["model"], told["freeze"], told["control"], tuple(told["trials_curve"]))


@dataclass(frozen=True)
class Compared:
    """One score of one session: ways to get there, and what pretraining gave."""

    session: str
    score: Score
    trials: int  # training windows
    mean_row: float  # before training, units' rows from their region alone
    zero_shot: float  # from their region and traits
    aligned: float  # from the spikes of training windows, in closed steps
    finetuned: float
    scratch: float
    gain: Value  # finetuned over scratch, pooled bits per spike
    knows: tuple[str, ...] = ()  # traits that zero-shot goes by
    stretch: Mapping[str, Any] = field(default_factory=dict)  # training time in which they were measured

    @property
    def basis(self) -> str:
        """What is known of a unit before its row is, in words."""
        told = "Mean row: a unit's region; its mean rate is its level."
        if not self.stretch:
            return told
        where = "{windows} training windows, {seconds:g} s between {first:.1f} s and {last:.1f} s".format(
            **self.stretch
        )
        return f"{told} Zero-shot: its region and {', '.join(self.knows)}, as in {where}."

    def share(self, way: str) -> float:
        """What a way reaches as a share of finetuning; NaN when finetuning reaches nothing."""
        return float(getattr(self, way)) / self.finetuned if self.finetuned > 0 else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not defined is null."""
        numbers = {name: getattr(self, name) for name in (*UNTRAINED, "finetuned", "scratch")}
        numbers |= {f"share_{name}": self.share(name) for name in UNTRAINED}
        plain = {name: float(value) if np.isfinite(value) else None for name, value in numbers.items()}
        words = {"session": self.session, "score": self.score, "trials": self.trials}
        paired = {name: v if np.isfinite(v := getattr(self.gain, name)) else None for name in ("value", "low", "high")}
        known = {"mean_row": ["region"], "zero_shot": ["region", *self.knows]}
        return {**words, **plain, "gain": paired, "known": known, "stretch": dict(self.stretch)}


def control(
    finetuned: Checkpoint, aligned: Checkpoint, source: Checkpoint, prepared: Prepared, *, limit: int | None = None
) -> Iterator[Step | Compared]:
    """Train the same sessions from scratch for as many steps, then compare all ways on test time."""
    scratch = _scratch(finetuned.config, prepared, limit)
    yield from scratch
    trained = {"finetuned": finetuned, "scratch": scratch.checkpoint()}
    models = {**untrained(aligned, source), **trained}
    before, now = source.known_traits(), aligned.known_traits()
    knows = tuple(name for name in before.known if name in now.known)
    for session in prepared.sessions:
        if len(session.windows.only("test")):
            trials = len(first_windows(session.windows.only("train"), limit))
            stretch = now.stretches.get(session.windows.session, {})
            for one in compare_on(session.windows, models, finetuned.config, trials=trials):
                yield replace(one, knows=knows, stretch=stretch)


def untrained(aligned: Checkpoint, source: Checkpoint) -> dict[str, Checkpoint]:
    """The model before training, knowing more and more of new units: region, traits, spikes of training windows."""
    known = (source.weights, source.vocabulary, aligned.weights, aligned.vocabulary)
    before, now = (torch.from_numpy(np.array(one.known_traits().table)) for one in (source, aligned))
    guesses = [replace(aligned, weights=guessed(*known, traits)) for traits in (None, (before, now))]
    return dict(zip(UNTRAINED, (*guesses, aligned)))


def _scratch(config: Config, prepared: Prepared, limit: int | None) -> Training:
    train = [first_windows(one, limit) for one in prepared.part("train")]
    return Training(train, prepared.part("valid"), scratch_config(config), prepared.vocabulary)


def scratch_config(config: Config) -> Config:
    """The same settings without those of a model that starts from another."""
    own = -1.0 if config.model.preset == "default" else config.model.own_region
    return config.changed(
        {"train.freeze": "", "train.tuning_rate": 0.0, "model.carried": False, "model.own_region": own}
    )


def first_windows(windows: Windows, limit: int | None) -> Windows:
    """At most so many windows, the first in time."""
    if limit is None or len(windows) <= limit:
        return windows
    return windows.take(np.sort(np.argsort(windows.start, kind="stable")[:limit]))


def compare_on(
    windows: Windows, models: Mapping[str, Checkpoint], config: Config, *, trials: int
) -> Iterator[Compared]:
    """All scores of one session under every model."""
    options = Options(folds=config.evaluate.folds or None, strict=config.units.strict_regions)
    bench = Bench.of(evidence_of(windows), options, None)
    scored = np.asarray(windows.units.scored, bool)
    for score in SCORES:
        if not bench.plan(score):
            continue
        tallies = {name: bench.tally(bench.expect(ModelPredictor(one), score)) for name, one in models.items()}
        means: dict[str, Any] = {name: _mean(tally, scored) for name, tally in tallies.items()}
        paired = gain(tallies["finetuned"], tallies["scratch"], scored)
        yield Compared(windows.session, score, trials, gain=paired, **means)


def _mean(tally: Tally, scored: np.ndarray) -> float:
    bps = tally.point.bps[0][scored]
    return float(np.nanmean(bps)) if np.isfinite(bps).any() else float("nan")


def curve(
    source: Checkpoint, prepared: Prepared, config: Config, counts: Sequence[int], *, freeze: str | None = None
) -> Iterator[Step | Compared]:
    """The comparison for growing numbers of training windows."""
    for count in counts:
        few = [first_windows(one, count) for one in prepared.part("train")]
        training = Training(few, prepared.part("valid"), config, prepared.vocabulary, init=source, freeze=freeze)
        aligned = training.checkpoint()
        yield from training
        tuned = training.checkpoint()
        yield from control(replace(tuned, config=training.config), aligned, source, prepared, limit=count)
