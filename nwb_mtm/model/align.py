"""Latents that mean the same in several sessions, and rows for new units in a trunk that is already trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nwb_mtm.model.explaining import (
    Precisions,
    Session,
    believe,
    linear_rows,
    poisson_rows,
    precisions,
    prior_of,
    refit_dynamics,
    responses,
)
from nwb_mtm.model.linear import LinearPath

ALONE, JOINING, TOGETHER, LAST = 5, 4, 15, 3  # rounds: the first session, each other one, all, all with Poisson rates
ALIGNING = 6  # rounds for new units in a trained trunk
FAINT = 1e-3  # variance of a mean path, beside latents of variance 1
MOST_SESSIONS = 12  # that dynamics are learnt from; the others are aligned to them


@torch.no_grad()
def agree(linear: LinearPath, bias: Float[Tensor, " row"], sessions: Sequence[Session]) -> None:
    """Explain the largest session, find the others' places in its latents, then explain all of them together.

    Left alone, every session would name its latents in an order and with signs of its own. What tells them apart
    is the mean response, and how the units of a region load on them.
    """
    order = sorted(sessions, key=lambda one: -one.counts.numel())
    for _ in range(ALONE):
        explain(linear, bias, order[:1])
    known = precisions(linear.decode.rows[order[0].where], order[0].labels)
    for one in order[1:]:
        prior = prior_of(one, known, linear.home[one.where])
        rows = linear_rows(responses(linear, one), one, prior)
        for _ in range(JOINING - 1):
            rows = linear_rows(believe(linear, one, rows), one, prior)
        _set(linear, one, rows)
    for number in range(TOGETHER + LAST):
        explain(linear, bias, order, poisson=number >= TOGETHER)


def explain(
    linear: LinearPath, bias: Float[Tensor, " row"], sessions: Sequence[Session], *, poisson: bool = False
) -> None:
    """One round: beliefs about the latents, then the weights (and the dynamics) that fit them best."""
    where = torch.cat([one.where for one in sessions])
    labels = [label for one in sessions for label in one.labels]
    known, beliefs = precisions(linear.decode.rows[where], labels), []
    for one in sessions:
        prior = prior_of(one, known, linear.home[one.where])
        belief = believe(linear, one, linear.encode.rows[one.where])
        if poisson:
            rows, bias[one.where] = poisson_rows(belief, one, prior, linear.decode.rows[one.where])
        else:
            rows = linear_rows(belief, one, prior)
        _set(linear, one, rows)
        beliefs.append(belief)
    if not poisson:
        scale = refit_dynamics(linear, beliefs)
        for one in sessions:
            _set(linear, one, linear.decode.rows[one.where] @ scale)


def _set(linear: LinearPath, one: Session, rows: Float[Tensor, "unit latent"]) -> None:
    linear.decode.rows[one.where] = rows
    linear.encode.rows[one.where] = rows


@dataclass(frozen=True, eq=False)
class Learnt:
    """What a trained model's units say about others: how a region's units load, and how they are read in."""

    precisions: Precisions
    reading: Float[Tensor, "latent latent"]  # from weights out to weights in
    sessions: tuple[str, ...]  # whose units have rows already

    @classmethod
    def of(
        cls,
        decode: Float[Tensor, "row latent"],
        encode: Float[Tensor, "row latent"],
        labels: Sequence[str],
        sessions: Sequence[str],
    ) -> "Learnt":
        """From the rows of all its units."""
        size = 0.1 * (decode**2).sum() / decode.shape[1] * torch.eye(decode.shape[1])
        reading = torch.linalg.solve(decode.T @ decode + size, decode.T @ encode + size)
        return cls(precisions(decode, labels), reading, tuple(sessions))


@torch.no_grad()
def align(linear: LinearPath, bias: Float[Tensor, " row"], session: Session, learnt: Learnt) -> None:
    """Rows with which the trunk explains a new session's spikes, starting from its units' mean responses.

    The trunk stays as it is, and every unit's region says what is likely of its row. A trunk that expects no
    response (windows that no event aligns) starts from the rows that are there.
    """
    home = linear.home[session.where]
    prior = prior_of(session, learnt.precisions, home)
    rows = torch.zeros(home.shape)
    belief = responses(linear, session)
    if belief.mean[0].var(0).sum() < FAINT:
        belief = believe(linear, session, linear.encode.rows[session.where])
    for _ in range(ALIGNING):
        rows, level = poisson_rows(belief, session, prior, rows)
        belief = believe(linear, session, rows @ learnt.reading * home)
    linear.decode.rows[session.where] = rows
    linear.encode.rows[session.where] = rows @ learnt.reading
    bias[session.where] = level
