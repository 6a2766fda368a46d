"""Expectation maximisation: weights and dynamics of the linear path that explain spikes, in closed steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from torch import Tensor

from nwb_mtm.model.dynamics import Dynamics, covariances
from nwb_mtm.model.linear import LinearPath

MOST_WINDOWS = 64  # of a session
HARDEST = 0.995  # largest singular value of a transition
NEWTON_STEPS = 4
PRIOR_UNITS = 2.0  # units' worth of belief that a region is like all others
ABSENT = 1e6  # precision of a weight on a latent of another region


@dataclass(frozen=True, eq=False)
class Session:
    """What is explained: some training windows of one session; unobserved entries are at their unit's mean."""

    where: Int[Tensor, " unit"]  # rows of the units in the model's tables
    counts: Float[Tensor, "window bin unit"]
    mean: Float[Tensor, " unit"]
    labels: tuple[str, ...]

    @classmethod
    def of(
        cls,
        rows: Int[ndarray, " unit"],
        counts: Shaped[ndarray, "window bin unit"],
        valid: Bool[ndarray, "window bin unit"],
        labels: Sequence[str],
    ) -> "Session":
        """At most so many windows, evenly spread."""
        some = np.unique(np.linspace(0, len(counts) - 1, min(len(counts), MOST_WINDOWS)).astype(int))
        seen = torch.from_numpy(valid[some])
        found = torch.where(seen, torch.from_numpy(counts[some].astype(np.float32)), 0.0)
        mean = (found.sum((0, 1)) + 0.5) / (seen.sum((0, 1)) + 1.0)
        return cls(torch.from_numpy(rows), torch.where(seen, found, mean), mean, tuple(labels))


@dataclass(frozen=True, eq=False)
class Belief:
    """The latents of one session's windows, given all spikes; `following` are covariances with the next bin."""

    mean: Float[Tensor, "window bin latent"]
    covariance: Float[Tensor, "bin latent latent"]
    following: Float[Tensor, "pair latent latent"]

    def squares(self) -> Float[Tensor, "latent latent"]:
        """Sum of expected squares about the mean over all windows and bins."""
        about = (self.mean - self.mean.mean((0, 1))).flatten(0, 1)
        return about.T @ about + len(self.mean) * self.covariance.sum(0)


@torch.no_grad()
def believe(linear: LinearPath, session: Session, encode: Float[Tensor, "unit latent"]) -> Belief:
    """The latents under the present weights."""
    dynamics, bins = linear.dynamics, session.counts.shape[1]
    weight = session.mean * linear.trust.rows[session.where, 0].exp()
    precision = ((encode * weight[:, None]).T @ encode)[None, None].expand(1, bins, -1, -1)
    evidence = ((session.counts - session.mean) @ encode)[None]
    mean, covariance = dynamics.estimate(evidence, precision, causal=False)
    transition, noise = dynamics.matrices()
    prior, gain = covariances(precision, transition, noise)
    held = (gain @ prior)[0]
    back = held[:-1] @ transition.T @ torch.linalg.inv(prior[0, 1:])
    return Belief(mean[0], covariance[0], covariance[0, 1:] @ back.mT)


def responses(linear: LinearPath, session: Session) -> Belief:
    """What the trunk expects in every window before it sees a spike, as if it were certain."""
    bins, latents = session.counts.shape[1], linear.home.shape[1]
    none = torch.zeros(bins, latents, latents)
    return Belief(mean_path(linear.dynamics, bins).expand(len(session.counts), -1, -1), none, none[1:])


@torch.no_grad()
def mean_path(dynamics: Dynamics, bins: int) -> Float[Tensor, "bin latent"]:
    """The latents' mean path through a window."""
    transition, _ = dynamics.matrices()
    drive = dynamics.inputs(bins)
    path = [drive[0]]
    for step in drive[1:]:
        path.append(transition @ path[-1] + step)
    return torch.stack(path)


def linear_rows(
    belief: Belief, session: Session, precision: Float[Tensor, "unit latent latent"]
) -> Float[Tensor, "unit latent"]:
    """Weights with which a rate that is linear in the latents explains the counts best, given their prior."""
    about = belief.mean - belief.mean.mean((0, 1))
    told = torch.einsum("wtn,wti->ni", session.counts - session.mean, about)
    squares = session.mean[:, None, None] * belief.squares() + precision
    rows: Tensor = torch.linalg.solve(squares, told[..., None])[..., 0]
    return rows


def poisson_rows(
    belief: Belief,
    session: Session,
    precision: Float[Tensor, "unit latent latent"],
    start: Float[Tensor, "unit latent"],
) -> tuple[Float[Tensor, "unit latent"], Float[Tensor, " unit"]]:
    """Weights and log mean rates with which a log rate that is linear in the latents explains the counts best."""
    windows, bins, latents = belief.mean.shape
    inputs = torch.nn.functional.pad(belief.mean.flatten(0, 1), (0, 1), value=1.0)
    squares = (inputs[:, :, None] * inputs[:, None, :]).flatten(1)
    counts, units = session.counts.flatten(0, 1), len(start)
    prior = torch.nn.functional.pad(precision, (0, 1, 0, 1)) + 1e-4 * torch.eye(latents + 1)
    level = session.mean.log() - start @ belief.mean.mean((0, 1))
    weights = torch.cat([start, level[:, None]], 1)
    for _ in range(NEWTON_STEPS):
        raised = torch.einsum("tij,nj->tni", belief.covariance, weights[:, :-1])
        doubt = 0.5 * torch.einsum("tni,ni->tn", raised, weights[:, :-1])
        rates = (inputs @ weights.T + doubt.repeat(windows, 1)).clamp(-12.0, 3.0).exp()
        by_bin = rates.view(windows, bins, units).sum(0)
        slope = (counts - rates).T @ inputs - torch.einsum("nij,nj->ni", prior, weights)
        slope[:, :-1] -= torch.einsum("tn,tni->ni", by_bin, raised)
        curve = (rates.T @ squares).view(units, latents + 1, latents + 1) + prior
        curve[:, :-1, :-1] += torch.einsum("tn,tij->nij", by_bin, belief.covariance)
        step = torch.linalg.solve(curve, slope[..., None])[..., 0]
        weights = weights + step / step.norm(dim=1, keepdim=True).clamp_min(1.0)
    return weights[:, :-1], weights[:, -1]


Precisions = Mapping[str, Float[Tensor, "latent latent"]]  # of the rows of every region's units; "" for others


def precisions(rows: Float[Tensor, "unit latent"], labels: Sequence[str]) -> Precisions:
    """For every region (and "" for any other) the inverse of its units' mean square, a little like all units'."""
    size, latents = float((rows**2).mean().clamp_min(1e-6)), rows.shape[1]
    vague = size * torch.eye(latents)
    found = {"": torch.linalg.inv(vague)}
    for label in set(labels):
        own = rows[[one == label for one in labels]]
        found[label] = torch.linalg.inv((own.T @ own + PRIOR_UNITS * vague) / (len(own) + PRIOR_UNITS))
    return found


def prior_of(
    session: Session, known: Precisions, home: Bool[Tensor, "unit latent"]
) -> Float[Tensor, "unit latent latent"]:
    """Every unit's prior precision: its region's, and none of other regions' latents."""
    own = torch.stack([known.get(label, known[""]) for label in session.labels])
    return own + torch.diag_embed(torch.where(home, 0.0, ABSENT))


@torch.no_grad()
def refit_dynamics(linear: LinearPath, beliefs: Sequence[Belief]) -> Float[Tensor, "latent latent"]:
    """Set transition and drive to what the beliefs say; returns what all weights must be multiplied with.

    Latents are scaled to unit covariance about their mean path, those of each home by themselves.
    """
    path = torch.cat([one.mean for one in beliefs]).mean(0).double()
    count = sum(len(one.mean) for one in beliefs)
    bins, latents = path.shape
    square, lagged, early = (torch.zeros(latents, latents, dtype=torch.float64) for _ in range(3))
    for one in beliefs:
        about = one.mean.double() - path
        every = torch.einsum("wti,wtj->tij", about, about) + len(about) * one.covariance
        square, early = square + every.sum(0), early + every[:-1].sum(0)
        lagged += torch.einsum("wti,wtj->ij", about[:, 1:], about[:, :-1]) + len(about) * one.following.sum(0)
    scale = _root(square / (count * bins), linear.home)
    transition = torch.linalg.solve(scale, torch.linalg.solve(early, lagged, left=False) @ scale)
    path = torch.linalg.solve(scale, (path - path.mean(0)).T).T
    _set_transition(linear.dynamics, transition)
    kept = linear.dynamics.matrices()[0].double()
    drive = torch.cat([path[:1], path[1:] - path[:-1] @ kept.T])
    linear.dynamics.drive[:bins] = drive.float()
    return scale.float()


def _root(square: Float[Tensor, "latent latent"], home: Bool[Tensor, "row latent"]) -> Float[Tensor, "latent latent"]:
    """The square root of a covariance, between latents that the same units load on."""
    out = torch.zeros_like(square)
    for column in torch.unique(home, dim=1).T:
        own = (home == column[:, None]).all(0)
        values, vectors = torch.linalg.eigh(square[own][:, own])
        out[torch.outer(own, own)] = ((vectors * values.clamp_min(1e-4).sqrt()) @ vectors.T).flatten()
    return out


def _set_transition(dynamics: Dynamics, transition: Float[Tensor, "latent latent"]) -> None:
    """Parameters of the nearest transition that keeps unit covariance: W = L A with (L Lᵀ)⁻¹ = I - A Aᵀ."""
    left, values, right = torch.linalg.svd(transition)
    stable = (left * values.clamp_max(HARDEST)) @ right
    eye = torch.eye(len(stable), dtype=stable.dtype)
    free = torch.linalg.cholesky(torch.linalg.inv(eye - stable @ stable.T)) @ stable
    own = free.diagonal().clamp_min(1e-2)
    dynamics.memory.copy_(own.log())
    dynamics.coupling.copy_(free - torch.diag(own))
