"""Training: an iterator over steps that ends with the best model on validation time."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nwb_mtm.batch import Batch, Roster
from nwb_mtm.checkpoint import Checkpoint, read_tensors, write_tensors
from nwb_mtm.config import Config, seconds
from nwb_mtm.errors import RunError
from nwb_mtm.losses import poisson_nll
from nwb_mtm.masks import Mask, make_schemes
from nwb_mtm.model import MtM, build
from nwb_mtm.model.align import align
from nwb_mtm.model.compute import choose_device, choose_precision, few_threads, make_optimizer, set_precision
from nwb_mtm.model.sizes import sized
from nwb_mtm.model.start import start_from
from nwb_mtm.model.transfer import freeze_trunk, transfer
from nwb_mtm.model.validating import best_share, spread
from nwb_mtm.passes import Score
from nwb_mtm.sampling import Sampler
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

TIMED_STEPS = 24  # warm steps that fix the number of steps
LOOKS = 10  # validations in a run
LARGEST_STEP = 0.05  # norm above which a gradient is shortened


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
    ) -> None:
        config = config or Config()
        if seed is not None:
            config = config.changed({"train.seed": seed})
        if init is not None:
            config = replace(config, model=init.config.model)
        if freeze is not None:
            config = config.changed({"train.freeze": freeze})
        self.windows = [one for one in windows if len(one)]
        self.valid = [one for one in valid if len(one)]
        if not self.windows:
            raise RunError("There is no training window.", kind="nothing_to_do")
        self.vocabulary = vocabulary or Vocabulary.from_windows([*self.windows, *self.valid])
        self.valid = spread(self.valid)
        self.config = sized(config, self.windows)
        self.provenance = dict(provenance or {})
        strict = config.units.strict_regions
        self.rosters = [Roster.of(one.units, one.session, self.vocabulary, strict=strict) for one in self.windows]
        self.bins = init.bins if init is not None else max(one.bins for one in self.windows)
        self.rng = torch.Generator().manual_seed(self.config.train.seed)
        self.model = self._new_model(init)
        self.device = choose_device(self.config.train.device)
        precision = choose_precision(self.config, self.device)
        self.config = self.config.changed({"train.precision": precision})
        self.model.to(self.device)
        set_precision(self.model, precision, self.device)
        self.sampler = Sampler(self.windows, self.rosters, self.config, self.rng)
        self.schemes = self.sampler.schemes
        self.entries = sum(one.counts.size for one in self.windows)
        self.optimizer = make_optimizer(self.model, self.config.train)
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
        self.best_score = -math.inf
        self.best_valid: Mapping[str, float] = {}
        self.best_step = self.windows_seen = 0
        self.step = 0
        self.steps = self.config.train.steps
        self.pace = 0.0  # seconds a step takes, validation included

    def _new_model(self, init: Checkpoint | None) -> MtM:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.train.seed)
            model = build(self.config, self.vocabulary, self.bins)
        for one, roster in zip(self.windows, self.rosters):
            start_from(model, roster.unit, one.counts, one.valid)
        if init is not None:
            known = init.vocabulary.units
            kept = self.config.train.freeze == "trunk" or any(one.session in known for one in self.windows)
            transfer(init.weights, init.vocabulary, model, self.vocabulary, dynamics=kept)
            for one, roster in zip(self.windows, self.rosters):
                if model.linear is not None and kept and one.session not in known:
                    align(model.linear, roster.unit, one.counts, one.valid)
        if self.config.train.freeze == "trunk":
            freeze_trunk(model)
        return model

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how this run was set up."""
        left_out = [name for name in make_schemes(self.config.schemes) if name not in self.schemes]
        said = [f"Fewer than two regions are large enough: {', '.join(left_out)} left out."] if left_out else []
        layers, latents = self.config.model.layers, self.config.model.latents
        said.append(f"Model: linear path of {latents} latents, {layers} transformer blocks.")
        said.append(f"Computing on {self.device.type} in {self.config.train.precision}.")
        return tuple(said)

    def __iter__(self) -> Iterator[Step]:
        if not self.steps:
            self.steps = self._steps_for_budget()
        every = max(1, self.steps // LOOKS)
        while self.step < self.steps:
            began = time.perf_counter()
            loss, seen = self._train_step()
            self.windows_seen += seen
            looked = self.step % every == 0 or self.step == self.steps
            valid = self._look() if looked else None
            spent = time.perf_counter() - began
            self.pace = spent if not self.pace else 0.95 * self.pace + 0.05 * spent
            yield Step(
                self.step, loss, valid, seen / max(spent, 1e-9), self.pace * (self.steps - self.step), self.steps
            )

    def _steps_for_budget(self) -> int:
        """Time warm steps and a validation; the steps that fit into what is left."""
        budget = seconds(self.config.train.budget)
        began = time.perf_counter()
        each, look = self.measure(0.1 * budget)
        left = budget - (time.perf_counter() - began) - (LOOKS + 1) * look
        steps = max(LOOKS, int(0.97 * left / each)) if each else LOOKS
        self.config = self.config.changed({"train.steps": steps})
        return steps

    def measure(self, longest: float) -> tuple[float, float]:
        """Seconds of a warm step and of a validation, timed for at most `longest`; training stays at its start."""
        before, steps = self._state(), self.steps
        began = time.perf_counter()
        self.steps = 10**6
        self._train_step()
        warm = time.perf_counter()
        count = 0
        while count < TIMED_STEPS and time.perf_counter() - began < longest:
            self._train_step()
            count += 1
        each = (time.perf_counter() - warm) / max(count, 1)
        looking = time.perf_counter()
        self._look()
        look = time.perf_counter() - looking
        self._restore(before)
        self.steps = steps
        return (each if count else 0.0), look

    def _train_step(self) -> tuple[dict[str, float], int]:
        with few_threads(self.model):
            return self._update()

    def _update(self) -> tuple[dict[str, float], int]:
        """One update; the loss of every scheme and the number of windows looked at."""
        self.model.train()
        self._set_rates()
        losses: dict[str, float] = {}
        seen = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.train.seed * 1_000_003 + self.step)
            self.optimizer.zero_grad()
            for names in self.sampler.schemes_now():
                batch, mask, parts = self.sampler.draw(names, self.device)
                voices = self.model.voices(batch, mask)
                found = [self._loss(voices, batch, mask, part) for part in parts]
                weighted = torch.stack([loss * self.sampler.weight(name) for name, loss in zip(names, found)])
                torch.autograd.backward(weighted.sum())
                losses |= {name: float(loss.detach()) for name, loss in zip(names, found)}
                seen += len(batch)
            prior = self.model.penalty() / (2 * self.config.model.prior * self.entries * self.model.share.shape[1])
            if prior.requires_grad:
                torch.autograd.backward(prior)
        if not all(math.isfinite(value) for value in losses.values()):
            raise RunError(f"The loss is no number at step {self.step}: {losses}.", kind="diverged")
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), LARGEST_STEP)
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return losses, seen

    def _loss(self, voices: Sequence[Tensor], batch: Batch, mask: Mask, part: slice) -> Tensor:
        """The mean over voices, each on its own."""
        losses = [poisson_nll(voice[part], batch.counts[part], mask.scored[part]) for voice in voices]
        return torch.stack(losses).mean()

    def _set_rates(self) -> None:
        done, warmup = self.step / self.steps, self.config.train.warmup
        rise = min(1.0, (self.step + 1) / max(1.0, warmup * min(self.steps, 1000)))
        share = rise * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done))) + 0.01
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self.config.train.average, self.step / (self.step + 9))
        for name, parameter in self.model.named_parameters():
            self.average[name].lerp_(parameter, 1 - keep)

    def _look(self) -> Mapping[str, float]:
        """Validation scores of the averaged weights; they are kept when their mean is the best yet."""
        weights = {**self.model.state_dict(), **self.average}
        weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        scores: dict[Score, float] = {}
        if self.valid:
            share, scores = self._validate(weights)
            weights["share"] = share
        overall = float(np.mean(list(scores.values()))) if scores else float(self.step)
        if overall > self.best_score:
            self.best, self.best_score = weights, overall
        return {str(score): value for score, value in scores.items()}

    def _validate(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, dict[Score, float]]:
        current = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(dict(weights))
        self.model.eval()
        with few_threads(self.model):
            found = best_share(self.model, self.valid, self.vocabulary, self.config, self.device)
        self.model.load_state_dict(current)
        return found

    def checkpoint(self) -> Checkpoint:
        """The best model so far."""
        splits = {one.session: one.partition for one in self.windows if one.partition is not None}
        return Checkpoint(
            config=self.config,
            vocabulary=self.vocabulary,
            weights={name: tensor.cpu() for name, tensor in self.best.items()},
            bins=self.bins,
            bin_size=self.windows[0].bin_size,
            splits=splits,
            fingerprints={one.session: one.fingerprint for one in self.windows},
            schemes=tuple(self.schemes),
            provenance=self.provenance,
        )

    def _state(self) -> dict[str, Tensor]:
        """Everything that changes in a step, as tensors."""
        state = {f"model.{name}": t.detach().clone() for name, t in self.model.state_dict().items()}
        state |= {f"average.{name}": t.clone() for name, t in self.average.items()}
        state |= {f"best.{name}": t.clone() for name, t in self.best.items()}
        for i, moments in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{i}.{name}": t.detach().clone() for name, t in moments.items()}
        numbers = torch.tensor([self.step, self.steps, self.best_score], dtype=torch.float64)
        return {**state, "rng": self.rng.get_state().clone(), "numbers": numbers}

    def _restore(self, state: Mapping[str, Tensor]) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t.clone() for n, t in state.items() if n.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.average, self.best = part("average."), part("best.")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in part("optimizer.").items():
            row, _, key = name.partition(".")
            moments.setdefault(int(row), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.rng.set_state(state["rng"])
        step, steps, best = state["numbers"].tolist()
        self.step, self.steps, self.best_score = int(step), int(steps), best

    def save_resume(self, path: Path, notes: Mapping[str, Any] | None = None) -> None:
        """Write all that is needed to go on later, bit for bit; `notes` are kept in the header."""
        state = {name: tensor.cpu().contiguous() for name, tensor in self._state().items()}
        header = {"step": self.step, "config": self.config.to_table(), "notes": dict(notes or {})}
        write_tensors(path, state, header)

    def load_resume(self, path: Path) -> None:
        """Go on from a saved state."""
        state, header = read_tensors(path)
        self.config = Config.from_table(header["config"])
        self._restore({name: tensor.to(self.device) if name != "rng" else tensor for name, tensor in state.items()})
