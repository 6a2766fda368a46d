"""Rows of units whose spikes were never trained on: their region's mean row, and what their traits add to it."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nwb_mtm.vocabulary import Vocabulary

PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # in units whose traits vary by one deviation
CLEAR = 2.0  # standard errors by which traits must be closer to rows left out than the mean row is, to be used
FOLDS = 5  # of units, where all are of one session
FURTHEST = 3.0  # deviations; what lies further away is taken to lie there

Known = tuple[Float[Tensor, "old trait"], Float[Tensor, "new trait"]]  # traits of the other model's units, of new ones


@torch.no_grad()
def guessed(
    weights: Mapping[str, Tensor],
    old: Vocabulary,
    start: Mapping[str, Tensor],
    new: Vocabulary,
    traits: Known | None = None,
) -> dict[str, Tensor]:
    """A start in which the linear path knows no more of new units than their region, mean rate and traits.

    Without traits their rows are their region's mean row in the other model.
    """
    source, name = ("carried" if "carried.rate" in known else "linear" for known in (weights, start))
    if f"{source}.rate" not in weights:
        return dict(start)
    fresh = torch.tensor([key not in old.units for key, units in new.units.items() for _ in units])
    parts = ("decode.rows", "encode.rows")
    table = torch.cat([weights[f"{source}.{part}"] for part in parts], 1)
    rows = expected_rows(table, old, new, traits)
    out = dict(start)
    for part, some in zip(parts, rows.chunk(2, 1)):
        out[f"{name}.{part}"] = torch.where(fresh[:, None], some, start[f"{name}.{part}"])
    column, now = int(name == "carried"), start[f"{name}.rate"].log()
    level = now[:, 0] - 0.5 * out[f"{name}.decode.rows"].square().sum(1)  # latents have unit variance
    out["bias"] = start["bias"].clone()
    out["bias"][fresh, column] = level[fresh]
    return out


def expected_rows(
    table: Float[Tensor, "old width"], old: Vocabulary, new: Vocabulary, traits: Known | None = None
) -> Float[Tensor, "new width"]:
    """The mean row of every new unit's region (of all units where it is new), and what its traits add to that."""
    before = [label for labels in old.regions.values() for label in labels]
    wanted = [label for labels in new.regions.values() for label in labels]
    session = torch.tensor([row for row, labels in enumerate(old.regions.values()) for _ in labels])
    rows = table.new_zeros(len(wanted), table.shape[1])
    for label in dict.fromkeys(wanted):
        same = [i for i, one in enumerate(before) if one == label] or list(range(len(before)))
        here = [i for i, one in enumerate(wanted) if one == label]
        rows[here] = table[same].mean(0)
        if traits is not None:
            seen, asked = deviations(traits[0][same], traits[1][here])
            rows[here] = regressed(seen, table[same], session[same], asked)
    return rows


def deviations(
    before: Float[Tensor, "old trait"], now: Float[Tensor, "new trait"]
) -> tuple[Float[Tensor, "old trait"], Float[Tensor, "new trait"]]:
    """Traits as deviations from the old units' mean, in their spread; what is not known lies at the mean."""
    known = before.isfinite()
    count = known.sum(0).clamp_min(1)
    mean = torch.where(known, before, 0.0).sum(0) / count
    spread = (torch.where(known, before - mean, 0.0).square().sum(0) / count).sqrt()
    told = (spread > 1e-6) & (known.sum(0) > 1)
    return tuple(  # type: ignore[return-value]
        torch.where(told & one.isfinite(), (one - mean) / spread.clamp_min(1e-6), 0.0).clamp(-FURTHEST, FURTHEST)
        for one in (before, now)
    )


def regressed(
    traits: Float[Tensor, "old trait"],
    rows: Float[Tensor, "old width"],
    session: Int[Tensor, " old"],
    asked: Float[Tensor, "new trait"],
) -> Float[Tensor, "new width"]:
    """Rows by ridge regression on traits, under the penalty that does best for sessions (or units) left out."""
    several = len(set(session.tolist())) > 1
    fold = session if several else torch.arange(len(rows)) % FOLDS
    parts = [(fold != one, fold == one) for one in sorted(set(fold.tolist()))]
    parts = [(rest, out) for rest, out in parts if rest.any()]
    if not parts:
        return rows.mean(0).expand(len(asked), -1)
    plain, *errors = [
        torch.cat(
            [(rows[out] - _fit(traits[rest], rows[rest], traits[out], one)).square().sum(1) for rest, out in parts]
        )
        for one in (math.inf, *PENALTIES)
    ]
    best = min(range(len(errors)), key=lambda i: float(errors[i].sum()))
    gain = plain - errors[best]
    clear = gain.mean() > CLEAR * gain.std() / len(gain) ** 0.5
    return _fit(traits, rows, asked, PENALTIES[best] if clear else math.inf)


def _fit(
    traits: Float[Tensor, "old trait"],
    rows: Float[Tensor, "old width"],
    asked: Float[Tensor, "new trait"],
    penalty: float,
) -> Float[Tensor, "new width"]:
    """The mean row, and a slope for every trait."""
    middle, mean = traits.mean(0), rows.mean(0)
    if math.isinf(penalty):
        return mean.expand(len(asked), -1)
    about = traits - middle
    square = about.T @ about + penalty * torch.eye(traits.shape[1])
    slope: Tensor = torch.linalg.solve(square, about.T @ (rows - mean))
    return mean + (asked - middle) @ slope
