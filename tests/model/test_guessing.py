"""Rows of new units from their region and traits: what is planted is found, and what tells nothing does no harm."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import populations
import torch
from torch import Tensor

from nwb_mtm import inference
from nwb_mtm.checkpoint import Checkpoint
from nwb_mtm.config import Config
from nwb_mtm.model.guessing import expected_rows
from nwb_mtm.model.validating import mean_bits
from nwb_mtm.road.finetuning import untrained
from nwb_mtm.training import Training
from nwb_mtm.traits import NAMES
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

LABELS = ["CA1"] * 12 + ["DG"] * 12
BINS = 16
SMALL = Config().changed({"model.latents": 4, "model.layers": 0, "train.steps": 2})


def layered(number: int, count: int = 50) -> Windows:
    """A session in which a unit's depth says how it loads: turned from one latent of its region to the other."""
    rng, shared = np.random.default_rng(number), np.random.default_rng(99)
    drive, latents = shared.normal(size=(BINS, 4)) * 0.4, np.zeros((count, BINS, 4))
    for bin_ in range(1, BINS):
        latents[:, bin_] = 0.85 * latents[:, bin_ - 1] + drive[bin_] + rng.normal(size=(count, 4)) * 0.4
    latents -= latents.mean((0, 1))
    depth, weights = rng.uniform(0, 400, len(LABELS)), np.zeros((len(LABELS), 4))
    for row, first in enumerate([0] * 12 + [2] * 12):
        weights[row, first : first + 2] = (depth[row] - 200) / 200, 0.2
    weights += rng.normal(size=weights.shape) * 0.05
    counts = rng.poisson(np.minimum(0.4 * np.exp(latents @ weights.T), 8.0)).astype(np.uint8)
    one = populations.windows(LABELS, count=count, bins=BINS, session=f"m/{number}")
    places = np.stack([np.zeros(len(depth)), np.zeros(len(depth)), depth], 1)
    return replace(one, counts=counts, units=replace(one.units, positions=places))


@cache
def ways() -> tuple[dict[str, Checkpoint], Checkpoint]:
    """The model of three sessions before it is trained on a fourth; and that model."""
    training = Training([layered(i) for i in (1, 2, 3)], [], SMALL)
    list(training)
    source = training.checkpoint()
    return untrained(Training([layered(9).take(np.arange(20))], [], SMALL, init=source).checkpoint(), source), source


def score(checkpoint: Checkpoint, one: Windows) -> float:
    return mean_bits(one.counts, one.valid, inference.predict(checkpoint, one, folds=4))


def test_depth_that_says_how_units_load_is_put_to_use() -> None:
    found, source = ways()
    rest = layered(9).take(np.arange(20, 50))
    mean, zero, aligned = (score(one, rest) for one in found.values())
    assert zero > mean + 0.05
    assert zero > 0.5 * aligned
    blind = untrained(found["aligned"], replace(source, traits=None))
    assert score(blind["zero_shot"], rest) < zero - 0.04  # rates alone tell less


def test_before_its_spikes_are_seen_a_unit_has_its_regions_row() -> None:
    found, source = ways()
    rows = torch.cat([source.weights["linear.decode.rows"][24 * i : 24 * i + 12] for i in range(3)])
    torch.testing.assert_close(found["mean_row"].weights["carried.decode.rows"][:12], rows.mean(0).expand(12, -1))
    for one in found.values():
        assert torch.equal(one.weights["linear.decode.rows"], found["aligned"].weights["linear.decode.rows"])


def planted(told: Tensor, seed: int = 0, sessions: int = 4) -> tuple[Tensor, Tensor, Vocabulary]:
    """Traits, rows that go with some of them (beside a spread of their own), and whose they are."""
    key = torch.Generator().manual_seed(seed)
    traits = torch.randn(24 * sessions, len(NAMES), generator=key)
    rows = traits @ told + 0.5 * torch.randn(len(traits), told.shape[1], generator=key) + 1.0
    keys, labels = tuple(map(str, range(24))), tuple(LABELS)
    return (
        traits,
        rows,
        Vocabulary({f"m/{i}": keys for i in range(sessions)}, {f"m/{i}": labels for i in range(sessions)}),
    )


def slopes(**told: float) -> Tensor:
    """How rows of three numbers go with the named traits."""
    out = torch.zeros(len(NAMES), 3)
    for name, value in told.items():
        out[NAMES.index(name.replace("_", " "))] = torch.tensor([value, -value, 0.0])
    return out


def left_over(told: Tensor, known: bool) -> float:
    """Mean squared error of rows of a session that no one has seen."""
    (before, table, old), (now, truth, new) = planted(told), planted(told, 1, 1)
    return float((expected_rows(table, old, new, (before, now) if known else None) - truth).square().mean())


def test_rows_that_go_with_rate_intervals_and_depth_are_guessed_from_them() -> None:
    for told in (slopes(log_rate=1.0), slopes(local_variation=1.0), slopes(depth=0.7, persistence=-0.7)):
        assert left_over(told, True) < 0.5 * left_over(told, False)


def test_traits_that_tell_nothing_do_no_harm() -> None:
    same = []
    for seed in range(10):
        (before, table, old), (now, _, new) = planted(slopes(), seed), planted(slopes(), 50 + seed, 1)
        plain, rated = expected_rows(table, old, new), expected_rows(table, old, new, (before, now))
        assert (rated - plain).square().mean() < 0.02  # beside 0.25 of a unit's own
        same.append(torch.equal(rated, plain))
    assert sum(same) >= 8


def test_one_session_is_enough_and_unknown_traits_lie_at_the_mean() -> None:
    before, table, old = planted(slopes(depth=2.0), sessions=1)
    now, truth, new = planted(slopes(depth=2.0), 1, 1)
    found = expected_rows(table, old, new, (before, now))
    assert (found - truth).square().mean() < 0.5 * (expected_rows(table, old, new) - truth).square().mean()
    half = torch.where(torch.arange(len(now))[:, None] < 12, torch.nan, now)
    mixed = expected_rows(table, old, new, (before, half))
    assert mixed.isfinite().all()
    torch.testing.assert_close(mixed[12:], found[12:])
    nothing = torch.full_like(now, torch.nan)
    torch.testing.assert_close(expected_rows(table, old, new, (before, nothing)), expected_rows(table, old, new))


def test_a_model_keeps_what_it_knows_of_its_units(tmp_path: Path) -> None:
    training = Training([layered(1)], [], SMALL)
    checkpoint = training.checkpoint()
    loaded = Checkpoint.load(checkpoint.save(tmp_path / "model.safetensors"))
    assert loaded.traits is not None
    assert checkpoint.traits is not None
    np.testing.assert_array_equal(loaded.traits.table, checkpoint.traits.table)
    assert loaded.traits.stretches == {"m/1": {"windows": 50, "seconds": 16.0, "first": 0.0, "last": 245.32}}
    assert loaded.header() == checkpoint.header()


def test_an_early_model_knows_rates_alone(tmp_path: Path) -> None:
    early = replace(Training([layered(1)], [], SMALL).checkpoint(), traits=None)
    loaded = Checkpoint.load(early.save(tmp_path / "early.safetensors"))
    assert loaded.traits is None
    assert loaded.known_traits().known == ("log rate",)
    np.testing.assert_allclose(np.exp(loaded.known_traits().table[:, 0]), layered(1).rates, rtol=0.02)
