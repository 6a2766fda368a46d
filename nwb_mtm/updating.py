"""One step of training: what is drawn, its gradients, shared between ranks, and the optimizer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nwb_mtm.config import Config
from nwb_mtm.distributed import World
from nwb_mtm.errors import RunError
from nwb_mtm.losses import poisson_nll
from nwb_mtm.model import MtM
from nwb_mtm.model.blocks import share_chance
from nwb_mtm.model.compute import few_threads, make_optimizer, side_by_side
from nwb_mtm.model.linear import LinearPath
from nwb_mtm.model.sharding import has_rows
from nwb_mtm.sampling import Draw, Sampler

LARGEST_STEP = 0.05  # norm above which a gradient is shortened
FARTHEST = 10.0  # nats per entry that a loss may be away from where it began


@dataclass(frozen=True, eq=False)
class Done:
    """A step whose losses may still be on their way."""

    names: tuple[str, ...]
    losses: Float[Tensor, " scheme"]
    draws: tuple[Draw, ...]


class Updater:
    """Makes the steps of a model that holds the rows of some sessions; every rank makes all steps with the others."""

    def __init__(self, model: MtM, sampler: Sampler, config: Config, world: World, held: Sequence[str]) -> None:
        self.model, self.sampler, self.config, self.world = model, sampler, config, world
        self.held = [i for i, one in enumerate(sampler.windows) if one.session in held]
        self.optimizer = make_optimizer(model, config.train)
        self.chance = share_chance(model)
        self.device = model.bias.device
        self.each = side_by_side(model) if world.size == 1 else map
        self.entries = sum(one.counts.size for one in sampler.windows)

    def step(self, number: int, steps: int) -> Done:
        """Make one step of a run of `steps`; nothing in it waits for the device."""
        with few_threads(self.model):
            return self._step(number, steps)

    def _step(self, number: int, steps: int) -> Done:
        self.model.train()
        self._set_rates(number, steps)
        drawn: list[tuple[int, list[str], list[Draw]]] = []
        losses: dict[str, Tensor] = {}
        voices = self.model.voices
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((self.config.train.seed * 1_000_003 + number) * self.world.size + self.world.rank)
            self.optimizer.zero_grad()
            for names in self.sampler.schemes_now():
                for row, voice in enumerate(voices):
                    some = self.sampler.draw(names, shared=isinstance(voice, LinearPath))
                    drawn.append((row, names, some))
            for found in self.each(self._backward, *zip(*drawn)):
                for name, loss in found.items():
                    losses[name] = losses.get(name, torch.zeros_like(loss)) + loss / len(voices)
            values = self._share_gradients(torch.stack(list(losses.values())))
            prior = self.model.penalty() / (2 * self.config.model.prior * self.entries)
            if prior.requires_grad:
                torch.autograd.backward(prior)
        self._shorten()
        self.optimizer.step()
        return Done(tuple(losses), values, tuple(draw for _, _, some in drawn for draw in some))

    def _backward(self, row: int, names: Sequence[str], drawn: Sequence[Draw]) -> dict[str, Tensor]:
        """One voice's gradients of the draws held here; their part of the mean loss of every scheme."""
        own = [draw for draw in drawn if draw.session in self.held]
        entries = torch.zeros(len(names), device=self.device)
        if not own:
            self.world.total(entries)
            return {name: entries.new_zeros(()) for name in names}
        batch, mask = self.sampler.assemble(own)
        sizes = [sum(len(draw.windows) for draw in own if draw.scheme == name) for name in names]
        parts = [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(len(names))]
        for i, some in enumerate(parts):
            entries[i] = mask.scored[some].sum()
        self.world.total(entries)
        self.chance.runs = [(torch.Generator().manual_seed(draw.seed ^ 1), len(draw.windows)) for draw in own]
        rates = self.model.alone(row, batch, mask)
        self.chance.runs = ()
        found = [
            poisson_nll(rates[some], batch.counts[some], mask.scored[some], count)
            for count, some in zip(entries, parts)
        ]
        weights = torch.tensor([self.sampler.weight(name) for name in names])
        torch.autograd.backward((torch.stack(found) * weights.to(self.device)).sum())
        return {name: loss.detach() for name, loss in zip(names, found)}

    def _share_gradients(self, losses: Float[Tensor, " scheme"]) -> Float[Tensor, " scheme"]:
        """The trunk's gradients and the losses of all ranks, in one message; rows stay where they are."""
        if self.world.size == 1:
            return losses
        trained = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        for _, parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        trunk = [p.grad for name, p in trained if not has_rows(name) and p.grad is not None]
        flat = self.world.total(torch.cat([losses, *(grad.reshape(-1) for grad in trunk)]))
        total, *shared = torch.split(flat, [len(losses), *(grad.numel() for grad in trunk)])
        for grad, whole in zip(trunk, shared):
            grad.copy_(whole.view_as(grad))
        return total

    def _shorten(self) -> None:
        """Shorten long gradients, each voice's by its norm over all ranks."""
        starts = ("bias", *self.model.parts())
        grads = {name: p.grad for name, p in self.model.named_parameters() if p.grad is not None}
        places = {name: [name.startswith(start) for start in starts].index(True) for name in grads}
        squares = torch.zeros(2, len(starts), device=self.device)
        for name, grad in grads.items():
            squares[int(has_rows(name)), places[name]] += grad.square().sum()
        norms = (self.world.total(squares[1].clone()) + squares[0]).sqrt()
        for name, grad in grads.items():
            grad.mul_((LARGEST_STEP / (norms[places[name]] + 1e-6)).clamp_max(1.0))

    def _set_rates(self, number: int, steps: int) -> None:
        done, warmup = number / steps, self.config.train.warmup
        rise = min(1.0, (number + 1) / max(1.0, warmup * min(steps, 1000)))
        share = rise * (0.5 + 0.5 * math.cos(math.pi * min(1.0, done))) + 0.01
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share


class Watch:
    """Reads losses, and stops a run whose losses are no numbers or far from where they began."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.began: dict[str, float] = {}  # every scheme's first loss

    def read(self, steps: Sequence[Done], first: int) -> list[tuple[dict[str, float], int]]:
        """Losses as numbers, in one transfer; the first that is none, or far from where it began, ends training."""
        read = []
        for step, (done, values) in enumerate(zip(steps, torch.stack([done.losses for done in steps]).tolist()), first):
            losses = dict(zip(done.names, values))
            for name, loss in losses.items():
                start = self.began.setdefault(name, loss)
                if not abs(loss - start) <= FARTHEST:
                    raise RunError(self._diverged(step, name, loss, done.draws), kind="diverged")
            read.append((losses, sum(len(draw.windows) for draw in done.draws)))
        return read

    def _diverged(self, step: int, name: str, loss: float, draws: Sequence[Draw]) -> str:
        keys = dict.fromkeys(self.sampler.windows[draw.session].session for draw in draws if draw.scheme == name)
        return (
            f"Training came apart at step {step}: the loss of {name} is {loss:.3g} on {', '.join(keys)}. "
            "Look at these sessions with nwb-mtm inspect, or lower train.learning_rate and train.linear_rate."
        )
