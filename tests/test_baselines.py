"""Baselines under the masks that models get."""

from dataclasses import replace

import numpy as np
import pytest
from poisson import toy
from real_files import FOLDER

from nwb_mtm.baselines import linear, plain
from nwb_mtm.baselines.glm import glm
from nwb_mtm.baselines.linear import Design, mean_score, ridge
from nwb_mtm.baselines.plain import Evidence
from nwb_mtm.baselines.rivals import NAMES, RIVALS, rivals_of
from nwb_mtm.baselines.solve import Solver
from nwb_mtm.evaluation.scoring import evidence_of
from nwb_mtm.metrics import sums, unit_scores
from nwb_mtm.passes import SCORES, Pass, Score, passes
from nwb_mtm.recording import Recording
from nwb_mtm.windows import Windows

STEINMETZ = FOLDER / "steinmetz2019"


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return evidence_of(toy().windows)


def pooled(evidence: Evidence, expected: np.ndarray) -> float:
    scores = unit_scores(sums(evidence.test.counts, expected).total(), evidence.mean)
    return float(scores.gained.sum() / scores.spikes.sum() / np.log(2))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("name", NAMES)
def test_every_baseline_fills_exactly_what_is_scored(evidence: Evidence, score: Score, name: str) -> None:
    evidence = replace(evidence, conditions=("choice",))
    if name not in rivals_of(score, NAMES, conditions=("choice",)):
        return
    expected = RIVALS[name](Design(evidence), score, passes(evidence.test.units, score, folds=4))
    first = evidence.test.bins - evidence.hidden_bins if score == "forward" else 0
    assert np.isnan(expected[:, :first]).all()
    assert (expected[:, first:] > 0).all()


@pytest.mark.parametrize("name", ["ridge", "reduced-rank", "glm", "coupling"])
@pytest.mark.parametrize("score", ["co-smoothing", "inter-region", "intra-region"])
def test_hidden_spikes_of_test_windows_change_no_prediction(evidence: Evidence, name: str, score: Score) -> None:
    plan = passes(evidence.test.units, score, folds=4)
    step = plan[1]
    counts = evidence.test.counts.copy()
    counts[:, :, step.hidden] = np.random.default_rng(0).integers(0, 9, counts[:, :, step.hidden].shape)
    changed = replace(evidence, test=replace(evidence.test, counts=counts))
    before, after = (RIVALS[name](Design(e), score, plan)[:, :, step.targets] for e in (evidence, changed))
    assert np.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize("name", ["ridge", "glm", "smoothing", "drift"])
def test_forward_does_not_see_the_last_bins(evidence: Evidence, name: str) -> None:
    plan = passes(evidence.test.units, "forward")
    counts = evidence.test.counts.copy()
    counts[:, -evidence.hidden_bins :] = 7
    changed = replace(evidence, test=replace(evidence.test, counts=counts))
    before, after = (RIVALS[name](Design(e), "forward", plan) for e in (evidence, changed))
    assert np.allclose(before, after, equal_nan=True)


def test_regression_uses_shared_latents_and_blind_baselines_cannot(evidence: Evidence) -> None:
    plan, design = passes(evidence.test.units, "co-smoothing"), Design(evidence)
    assert pooled(evidence, ridge(design, "co-smoothing", plan)) > 0.05
    assert pooled(evidence, glm(design, "co-smoothing", plan)) > 0.05
    assert pooled(evidence, plain.psth(evidence, "co-smoothing", plan)) < 0.02


def test_drift_follows_a_unit_that_changes_its_rate() -> None:
    one = toy(seed=3, shared=0.0).windows
    gain = np.linspace(0.2, 2.0, len(one))[:, None, None]
    drifting = replace(one, counts=np.random.default_rng(0).poisson(gain * 0.3, one.counts.shape).astype(np.uint8))
    evidence = evidence_of(drifting.with_split("blocks"))
    plan = passes(one.units, "co-smoothing")
    flat, followed = (pooled(evidence, f(evidence, "co-smoothing", plan)) for f in (plain.psth, plain.drift))
    assert followed > flat + 0.05


def test_conditions_are_told_apart() -> None:
    one = toy(seed=4, shared=0.0).windows
    high = (one.trial_column("choice") == "b")[:, None, None]
    rates = np.where(high, 0.4, 0.1) * np.ones(one.counts.shape)
    tuned = replace(one, counts=np.random.default_rng(0).poisson(rates).astype(np.uint8))
    evidence = evidence_of(tuned, ["choice"])
    plan = passes(one.units, "co-smoothing")
    expected = plain.psth_condition(evidence, "co-smoothing", plan)
    assert pooled(evidence, expected) > 0.1
    assert linear.mean_score(evidence.test, expected) > 0.1


def test_leaving_units_out_by_one_inverse_equals_solving_without_them() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 12))
    gram, cross = x.T @ x, x.T @ rng.normal(size=(200, 12))
    values, vectors = np.linalg.eigh(gram)
    hidden = np.zeros((3, 12), bool)
    hidden[0, [0, 3]], hidden[1, [1, 2, 4]], hidden[2, 5:] = True, True, True
    plan = [Pass(h, np.flatnonzero(h)[:2], region) for h, region in zip(hidden, ("", "", "r"))]
    weights = Solver.of(gram, (values, vectors), 2.0, plan).solve(cross)
    for step in plan:
        seen = step.visible
        direct = np.linalg.solve(gram[np.ix_(seen, seen)] + 2.0 * np.eye(len(seen)), cross[np.ix_(seen, step.targets)])
        assert np.allclose(weights[np.ix_(seen, step.targets)], direct)
        assert not weights[np.ix_(step.hidden, step.targets)].any()


def test_unobserved_counts_are_not_learned_from() -> None:
    one = toy(seed=5).windows
    observed = np.random.default_rng(0).random(one.counts.shape) < 0.9
    absurd = replace(one, observed=observed, counts=np.where(observed, one.counts, 99).astype(np.uint8))
    evidence = evidence_of(absurd)
    assert evidence.psth.max() < 5
    assert ridge(Design(evidence), "co-smoothing", passes(one.units, "co-smoothing"))[..., 0].max() < 10


def test_one_unit_at_a_time_is_one_pass_for_each() -> None:
    plan = passes(toy().windows.units, "co-smoothing", folds=None)
    assert [step.hidden.sum() for step in plan] == [1] * 24


def steinmetz(name: str) -> Evidence:
    """The release's counts in 20-ms bins, units above 0.5 Hz, split by trial as the figures were made."""
    stored = np.load(STEINMETZ / f"{name}.npz")
    spikes = stored["spikes"]
    counts = spikes.reshape(*spikes.shape[:2], -1, 2).sum(axis=3).transpose(0, 2, 1).astype(np.uint8)
    keep = counts.sum(axis=(0, 1)) / (len(counts) * 0.4) > 0.5
    regions = [f"block{block}" for block in stored["probe_block"][keep]]
    recording = Recording.from_arrays([[0.0]] * len(regions), session=name, regions=regions)
    windows = Windows(recording.key, recording.units, np.arange(len(counts)) * 2.0, 0.02, counts[:, :, keep])
    order = np.random.default_rng(42).permutation(len(counts))
    cuts = np.split(order, [int(0.7 * len(counts)), int(0.8 * len(counts))])
    return Evidence(*(windows.take(rows) for rows in cuts))


FIGURES = {
    "session02": (0.266, 0.253, 0.101, -0.096),
    "session03": (0.206, 0.190, 0.091, -0.059),
    "session07": (0.132, 0.120, -0.091, -0.196),
    "session09": (0.183, 0.191, 0.072, -0.031),
}


@pytest.mark.skipif(not STEINMETZ.exists(), reason="the four sessions of Steinmetz et al. are not on this machine")
@pytest.mark.parametrize(
    "name", ["session03", *(pytest.param(n, marks=pytest.mark.slow) for n in ("session02", "session07", "session09"))]
)
def test_ridge_gives_the_known_figures_on_real_sessions(name: str) -> None:
    evidence = steinmetz(name)
    design = Design(evidence)
    found = []
    for score in ("co-smoothing", "intra-region", "inter-region"):
        plan = passes(evidence.test.units, score, folds=None, strict=False)
        found.append(mean_score(evidence.test, ridge(design, score, plan)))
    found.append(mean_score(evidence.test, np.broadcast_to(evidence.mean, evidence.test.counts.shape)))
    assert found == pytest.approx(FIGURES[name], abs=0.01)
