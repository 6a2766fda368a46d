"""The map of regions: planted couplings lead, shared input alone does not, and pairs are compared fairly."""

import json

import numpy as np
import pytest

from nwb_mtm.errors import RecordingError
from nwb_mtm.recording import Recording
from nwb_mtm.regionmap.fit import (
    Activity,
    Design,
    Held,
    Maps,
    gains,
    lag_bins,
    matched,
    neighbouring,
)
from nwb_mtm.regionmap.map import RegionMap, across_sessions, benjamini_hochberg, block_p, map_regions
from nwb_mtm.windows import Windows

BINS, WINDOWS, UNITS, BIN = 50, 80, 12, 0.02


def wandering(rng, keep, length):
    from scipy.signal import lfilter

    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal(length))


def three_regions(seed=0, *, coupling=0.8, shared=0.4, regions=("A", "B", "C"), groups=("p0", "p0", "p1")):
    """A drives B 40 ms later; C goes its own way; a slow state moves all of them."""
    rng = np.random.default_rng(seed)
    length = BINS * WINDOWS
    slow = wandering(rng, 0.999, length)
    a, c, own = (wandering(rng, 0.8, length) for _ in range(3))
    b = np.sqrt(1 - coupling**2) * own + coupling * np.concatenate([np.zeros(2), a[:-2]])
    rates = []
    for state in (a, b, c):
        loading = rng.uniform(0.5, 1.0, UNITS) * rng.choice([-1, 1], UNITS)
        log = 0.8 * loading * state[:, None] + shared * rng.uniform(0, 1, UNITS) * slow[:, None]
        rates.append(15.0 * np.exp(log))
    counts = rng.poisson(np.concatenate(rates, axis=1) * BIN)
    edges = np.arange(length) * BIN
    trains = [np.sort(np.repeat(edges, n) + rng.random(n.sum()) * BIN) for n in counts.T]
    recording = Recording.from_arrays(
        trains,
        session="a",
        regions=np.repeat(regions, UNITS).tolist(),
        groups=np.repeat(groups, UNITS).tolist(),
        observed=np.array([[0.0, length * BIN]]),
    )
    return Windows.tile(recording, BINS * BIN, bin_size=BIN)


@pytest.fixture(scope="module")
def found() -> RegionMap:
    return map_regions(three_regions(), matched_draws=1, draws=100)


def test_a_planted_coupling_leads_and_its_reverse_does_not(found):
    lead = {(e.source, e.target): e.strengths["lead"] for e in found.edges}
    planted = lead.pop(("A", "B"))
    assert planted.value.low > 0
    assert planted.q < 0.01
    assert planted.value.value > 3 * max(one.value.value for one in lead.values())
    assert min(one.q for one in lead.values()) > 0.05


def test_units_that_are_evened_out_still_tell_the_coupling(found):
    edge = next(e for e in found.edges if (e.source, e.target) == ("A", "B"))
    assert edge.strengths["lead"].matched.low > 0
    assert found.matched_units == UNITS


def test_shared_slow_state_alone_is_no_edge():
    still = map_regions(three_regions(1, coupling=0.0, shared=1.0), matched_draws=0, draws=50)
    assert min(e.strengths[m].q for e in still.edges for m in ("alone", "lead")) > 0.05


def test_groups_and_relatives_are_told_apart():
    regions = ("VISp2/3", "VISp5", "CA1")
    found = map_regions(three_regions(regions=regions), matched_draws=0, draws=20)
    told = {(e.source, e.target): (e.same_group, e.related) for e in found.edges}
    assert told["VISp2/3", "VISp5"] == (True, True)
    assert told["CA1", "VISp5"] == (False, False)
    assert found.mean("lead", same_group=True)[1] == 2
    assert found.mean("lead", same_group=False)[1] == 4


def test_the_map_is_json_with_a_picture_in_bits_per_spike(found):
    entry = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert entry["map"]["regions"] == ["A", "B", "C"]
    assert [entry["map"]["values"][k][k] for k in range(3)] == [None] * 3
    assert entry["map"]["lead"][0][1] == pytest.approx(found.matrix("lead")[0, 1])
    assert entry["tests"] == 6
    assert len(list(found.rows())) == 18
    assert "A to B" in repr(found)


def test_leaving_a_region_out_equals_a_fit_without_it():
    windows = three_regions()
    activity = Activity.of(windows.counts, BIN)
    members = [np.arange(k * UNITS, (k + 1) * UNITS) for k in range(3)]
    design = Design.of(activity, activity, members, members, windows.start, BIN)
    train = design.fold != 0
    whole = Maps.fitted(design, train)[0]
    kept = [np.arange(k * design.columns[0].size, (k + 1) * design.columns[0].size) for k in range(2)]
    small = Design(design.past[:, :, np.concatenate(kept[1:])], (kept[0],), design.targets, design.units, design.fold)
    direct = Maps.fitted(small, train)[0]
    one = whole.without(np.concatenate([design.columns[0], design.columns[2]]), members[1])
    other = direct.without(np.zeros(0, np.int64), members[1])
    mine = (design.past @ one.into) @ one.out.T
    theirs = (small.past @ other.into) @ other.out.T
    assert np.allclose(mine, theirs, atol=1e-4)


def test_only_the_past_of_a_source_is_used():
    windows = three_regions()
    activity = Activity.of(windows.counts, BIN)
    members = [np.arange(k * UNITS, (k + 1) * UNITS) for k in range(3)]
    design = Design.of(activity, activity, members, members, windows.start, BIN)
    first = BINS - design.past.shape[1]
    assert first == max(lag_bins(BIN, BINS))
    # feature 0 is one bin back, feature FACTORS two bins back: the same series, one bin later
    assert np.allclose(design.past[:, 1:, 6], design.past[:, :-1, 0])


def test_windows_are_never_predicted_by_maps_fitted_on_them():
    """Spikes of pure noise gain nothing."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.3, (60, 30, 24)).astype(np.uint8)
    activity = Activity.of(counts, BIN)
    members = [np.arange(12), np.arange(12, 24)]
    design = Design.of(activity, activity, members, members, np.arange(60.0), BIN)
    for table in gains(design).values():
        assert table.sum(axis=2).max() <= 3.0
    rate, held = (
        activity.expected[design.fold == 0][:, -len(design.past[0]) :, :12],
        Held.of(design, design.fold == 0, 0),
    )
    known = counts[design.fold == 0][:, -len(design.past[0]) :, :12]
    assert np.allclose(held.loss(None), (rate - known * np.log(rate)).sum(axis=(1, 2)), rtol=1e-5)


def test_matching_evens_out_units_and_spikes():
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.repeat([0.2, 2.0], [5, 20]), (40, 30, 25)).astype(np.uint8)
    thinned, chosen = matched(counts, [np.arange(5), np.arange(5, 25)], rng)
    assert [len(rows) for rows in chosen] == [5, 5]
    totals = [float(thinned[:, :, rows].sum()) for rows in chosen]
    assert totals[0] == pytest.approx(totals[1], rel=0.1)


def test_regions_of_different_sizes_are_mapped():
    windows = three_regions()
    found = map_regions(windows.select(np.arange(3, 3 * UNITS)), matched_draws=1, draws=20)
    assert found.units == (9, 12, 12)
    assert found.matched_units == 9


def test_drift_of_a_window_comes_from_its_neighbours_alone():
    means = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    changed = means.copy()
    changed[7] += 100
    assert np.allclose(neighbouring(means)[7], neighbouring(changed)[7])
    assert not np.allclose(neighbouring(means)[8], neighbouring(changed)[8])


def test_p_is_uniform_enough_and_corrected():
    rng = np.random.default_rng(0)
    ps = np.array([block_p(rng.standard_normal(60)) for _ in range(400)])
    assert 0.02 <= (ps < 0.05).mean() <= 0.09
    assert block_p(np.zeros(60)) == 1.0
    qs = benjamini_hochberg(ps)
    assert (qs >= ps).all()
    assert (qs < 0.05).sum() <= 3


def test_sessions_are_resampled_by_subject(found):
    rows = across_sessions([found, found, found], ["m1", "m1", "m2"])
    assert len(rows) == 6
    assert rows[0]["subjects"] == 2
    assert rows[0]["sessions"] == 3
    assert across_sessions([found], ["m1"]) == []


def test_one_region_or_few_windows_are_said():
    windows = three_regions()
    with pytest.raises(RecordingError, match="1 regions") as caught:
        map_regions(windows.select(np.arange(UNITS)))
    assert caught.value.kind == "nothing_to_do"
    with pytest.raises(RecordingError, match="10 windows"):
        map_regions(windows.take(np.arange(10)))
