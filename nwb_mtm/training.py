"""Training: an iterator over steps that ends with the best model on validation time."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nwb_mtm.batch import Roster
from nwb_mtm.checkpoint import Checkpoint, read_tensors, write_tensors
from nwb_mtm.config import Config
from nwb_mtm.distributed import ALONE, World, owners
from nwb_mtm.errors import RunError
from nwb_mtm.masks import make_schemes
from nwb_mtm.model import MtM
from nwb_mtm.model.compute import choose_device, choose_precision, compile_blocks, few_threads, set_precision
from nwb_mtm.model.settling import settle
from nwb_mtm.model.sharding import Rows, has_rows, keep_rows, some_sessions
from nwb_mtm.model.sizes import enough_steps, sized
from nwb_mtm.model.start import new_model
from nwb_mtm.model.transfer import is_fresh, tuned
from nwb_mtm.model.validating import Look, holding, look, spread
from nwb_mtm.pacing import LOOKS, Pace, next_look
from nwb_mtm.resuming import pack, part, unpack, weight_of
from nwb_mtm.sampling import Sampler
from nwb_mtm.schema import seconds
from nwb_mtm.traits import Traits
from nwb_mtm.updating import Done, Updater, Watch
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

TIMED_STEPS = 24  # warm steps that fix the number of steps
AHEAD = 10  # steps that a GPU is given before their losses are read


@dataclass(frozen=True)
class Step:
    """One step of training."""

    step: int
    loss: Mapping[str, float]
    valid: Mapping[str, float] | None
    windows_per_s: float
    seconds_left: float
    steps: int


class Training:
    """Iterate to train; ask for the checkpoint at any time.

    The same windows, settings and seed give the same weights on a CPU.
    """

    def __init__(
        self,
        windows: Sequence[Windows],
        valid: Sequence[Windows],
        config: Config | None = None,
        vocabulary: Vocabulary | None = None,
        *,
        seed: int | None = None,
        init: Checkpoint | None = None,
        freeze: str | None = None,
        provenance: Mapping[str, Any] | None = None,
        world: World = ALONE,
    ) -> None:
        config = config or Config()
        config = config if seed is None else config.changed({"train.seed": seed})
        if init is not None:
            config = tuned(config, init.config.model, freeze, fresh=is_fresh(windows, init.vocabulary))
        self.windows = [one for one in windows if len(one)]
        self.valid = [one for one in valid if len(one)]
        if not self.windows:
            raise RunError("There is no training window.", kind="nothing_to_do")
        self.vocabulary = vocabulary or Vocabulary.from_windows([*self.windows, *self.valid])
        self.valid = spread(self.valid)
        self.config = sized(config, self.windows)
        self.provenance = dict(provenance or {})
        self.bins = init.bins if init is not None else max(one.bins for one in self.windows)
        self.rng = torch.Generator().manual_seed(self.config.train.seed)
        self.world, self.total = world, world.total
        self._share_sessions()
        self.device = choose_device(self.config.train.device)
        precision = choose_precision(self.config, self.device)
        self.config = self.config.changed({"train.precision": precision})
        self.model = self._new_model(init).to(self.device)
        set_precision(self.model, precision, self.device)
        self.compiled = compile_blocks(self.model, self.device)
        sampler = Sampler(self.windows, self._rosters(), self.config, self.rng, self.device)
        self.schemes = sampler.schemes
        self.updater = Updater(self.model, sampler, self.config, world, self.own.sessions)
        self.watch = Watch(sampler)
        averaged = self.model.named_parameters() if self.config.train.average else ()
        self.average = {name: p.detach().clone() for name, p in averaged}
        self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
        self.best_score = -math.inf
        self.best_alone = np.full(len(self.model.voices), -math.inf)  # each voice's best score
        self.best_valid: Mapping[str, float] = {}
        self.best_step = self.windows_seen = self.step = 0
        self.traits = Traits.measured(self.windows, self.vocabulary)
        self.steps = self.config.train.steps
        self.pace = 0.0  # seconds a step takes, validation included

    def _share_sessions(self) -> None:
        """Give every session to a rank, by how much work it will be."""
        costs = dict.fromkeys(self.vocabulary.sessions, 0.0)
        for one in self.windows:
            costs[one.session] += one.weight * len(one) ** 0.5 * one.bins * len(one.units)
        owner = dict(zip(costs, owners(list(costs.values()), self.world.size)))
        kept = [[key for key in costs if owner[key] == rank] for rank in range(self.world.size)]
        self.rows = [Rows.of(self.vocabulary, keys) for keys in kept]
        self.own = some_sessions(self.vocabulary, kept[self.world.rank])

    def _new_model(self, init: Checkpoint | None) -> MtM:
        known = None if init is None else (init.weights, init.vocabulary)
        model = new_model(self.config, self.vocabulary, self.bins, self.windows, known, self.own.units)
        if self.world.size > 1:
            keep_rows(model, self.rows[self.world.rank])
        return model

    def _rosters(self) -> list[Roster]:
        """Rows of the own sessions in the own model; of others, only the regions matter."""
        strict = self.config.units.strict_regions
        tables = (self.own if one.session in self.own.units else self.vocabulary for one in self.windows)
        return [Roster.of(one.units, one.session, rows, strict=strict) for one, rows in zip(self.windows, tables)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how this run was set up."""
        left_out = [name for name in make_schemes(self.config.schemes) if name not in self.schemes]
        said = [f"Fewer than two regions are large enough: {', '.join(left_out)} left out."] if left_out else []
        latents, count = self.config.model.latents, len(self.model.transformers)
        said.append(f"Model: linear path of {latents} latents, {count} transformers.")
        said.append(f"Computing on {self.device.type} in {self.config.train.precision}.")
        said += [self.compiled] if self.compiled else []
        if self.world.size > 1:
            held = ", ".join(str(len(rows.sessions)) for rows in self.rows)
            said.append(f"{self.world.size} processes hold {held} sessions each; the first one evaluates and writes.")
        return tuple(said)

    def __iter__(self) -> Iterator[Step]:
        if not self.steps:
            self.steps = self._steps_for_budget()
        looks = self.config.train.looks or LOOKS
        if self.config.train.tuning_rate and self.step == 0:
            self._look()  # what the other model knew may be best already
        while self.step < self.steps:
            began, first = time.perf_counter(), self.step + 1
            ahead = AHEAD if self.device.type == "cuda" else 1
            due = next_look(self.step, self.steps, looks)
            count = min(ahead, due - self.step)
            losses = self.watch.read([self._train_step() for _ in range(count)], first)
            valid = self._look() if self.step == due else None
            spent = (time.perf_counter() - began) / count
            self.pace = spent if not self.pace else 0.95 * self.pace + 0.05 * spent
            for step, (loss, seen) in enumerate(losses, first):
                self.windows_seen += seen
                left = self.pace * (self.steps - step)
                yield Step(step, loss, valid if step == self.step else None, seen / max(spent, 1e-9), left, self.steps)

    def _steps_for_budget(self) -> int:
        """Time warm steps and a validation; the steps that fit into what is left."""
        budget = seconds(self.config.train.budget)
        began = time.perf_counter()
        pace = self.measure(0.1 * budget)
        looks = int(self.world.agree(pace.looks(self.config, budget)))
        steps = pace.steps(self.config, budget - (time.perf_counter() - began), looks)
        steps = int(self.world.agree(min(steps, enough_steps(self.config, self.windows))))
        self.config = self.config.changed({"train.steps": steps, "train.looks": looks})
        return steps

    def measure(self, longest: float) -> Pace:
        """What a warm step and a look take, timed for at most `longest`; training stays at its start."""
        before, steps = self._state(), self.steps
        began = time.perf_counter()
        self.steps = 10**6
        self.watch.read([self._train_step()], 1)
        warm, count = time.perf_counter(), 0
        while count < TIMED_STEPS and self.world.agree(time.perf_counter() - began) < longest:
            self.watch.read([self._train_step()], 1)
            count += 1
        each = (time.perf_counter() - warm) / max(count, 1)
        looking = time.perf_counter()
        self._look()
        look = time.perf_counter() - looking
        self._restore(before)
        self.steps = steps
        return Pace(each if count else 0.0, look)

    def _train_step(self) -> Done:
        done = self.updater.step(self.step, self.steps)
        self.step += 1
        self._update_average()
        return done

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self.config.train.average, self.step / (self.step + 9))
        for name, parameter in self.model.named_parameters() if self.average else ():
            self.average[name].lerp_(parameter, 1 - keep)

    def _look(self) -> Mapping[str, float]:
        """Validation scores of the averaged weights; each voice's are kept when they are its best yet."""
        weights = {**self.model.state_dict(), **self.average}
        weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        if not self.valid:
            self.best, self.best_score = weights, float(self.step)
            return {}
        now = kept = self._validate(weights)
        better = now.alone > self.best_alone
        if better.any():
            self.best_alone = np.maximum(now.alone, self.best_alone)
            if not better.all():
                weights = self.model.assembled(weights, self.best, better)
                kept = self._validate(weights)
            self.best, self.best_step, self.best_valid = {**weights, "share": kept.share}, self.step, kept.scores
            self.best_score = float(np.mean(list(kept.scores.values())))
        if self.step == self.steps:
            self._settle()
        return now.scores

    def _settle(self) -> None:
        """Weigh what a unit's own region says, and learn what units do beyond what the best model expects of them."""
        with holding(self.model, self.best), few_threads(self.model):
            mine, valid = self._mine(self.windows), self._mine(self.valid)
            gains = settle(self.model, mine, valid, self.own, self.config, self.device, total=self.total)
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.config = self.config.changed({"model.own_region": self.model.own_region})
        self.best_valid = {name: value + gains.get(name, 0.0) for name, value in self.best_valid.items()}

    def _validate(self, weights: Mapping[str, Tensor]) -> Look:
        with holding(self.model, weights), few_threads(self.model):
            return look(self.model, self._mine(self.valid), self.own, self.config, self.device, total=self.total)

    def _mine(self, windows: Sequence[Windows]) -> list[Windows]:
        return [one for one in windows if one.session in self.own.units]

    def checkpoint(self) -> Checkpoint:
        """The best model so far; whole on the first rank."""
        splits = {one.session: one.partition for one in self.windows if one.partition is not None}
        return Checkpoint(
            config=self.config,
            vocabulary=self.vocabulary,
            weights=part(self._whole({f"best.{name}": tensor for name, tensor in self.best.items()}), "best"),
            bins=self.bins,
            bin_size=self.windows[0].bin_size,
            splits=splits,
            fingerprints={one.session: one.fingerprint for one in self.windows},
            schemes=tuple(self.schemes),
            provenance=self.provenance,
            traits=self.traits,
        )

    def _state(self) -> dict[str, Tensor]:
        """Everything that changes in a step, as tensors."""
        state = pack(self.model, self.updater.optimizer)
        state |= {f"average.{name}": t.clone() for name, t in self.average.items()}
        state |= {f"best.{name}": t.clone() for name, t in self.best.items()}
        numbers = torch.tensor([self.step, self.steps, self.best_score, self.best_step], dtype=torch.float64)
        alone = torch.from_numpy(self.best_alone.copy())
        return {**state, "rng": self.rng.get_state().clone(), "numbers": numbers, "alone": alone}

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        unpack(state, self.model, self.updater.optimizer)
        self.average, self.best = part(state, "average"), part(state, "best")
        self.rng.set_state(state["rng"])
        self.best_alone = state["alone"].cpu().numpy().copy()
        step, steps, best, best_step = state["numbers"].tolist()
        self.step, self.steps, self.best_score, self.best_step = int(step), int(steps), best, int(best_step)

    def _whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors with the rows of all ranks, on the first rank."""
        held = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        if self.world.size == 1:
            return held
        tables = {name: t for name, t in held.items() if t.dim() and has_rows(weight_of(name))}
        places = [{name: rows.within(weight_of(name)) for name in tables} for rows in self.rows]
        return {**held, **self.world.collect(tables, places)}

    def save_resume(self, path: Path, notes: Mapping[str, Any] | None = None) -> None:
        """Write all that is needed to go on later, bit for bit; `notes` are kept in the header."""
        state = self._whole(self._state())
        if self.world.first:
            header = {"step": self.step, "config": self.config.to_table(), "notes": dict(notes or {})}
            write_tensors(path, state, header)

    def load_resume(self, path: Path) -> None:
        """Go on from a saved state, whatever the number of ranks that saved it."""
        state, header = read_tensors(path)
        self.config = Config.from_table(header["config"])
        rows = self.rows[self.world.rank]
        kept = {n: t[rows.within(weight_of(n))] if t.dim() and has_rows(weight_of(n)) else t for n, t in state.items()}
        self._restore({name: tensor.to(self.device) if name != "rng" else tensor for name, tensor in kept.items()})
