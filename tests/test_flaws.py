"""Each planted flaw inflates a plain score, and a guard or a check catches it."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from nwb_mtm.decoding.decoder import DecodingConfig, decode
from nwb_mtm.decoding.folds import apart
from nwb_mtm.decoding.results import verdict
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.guards import flag_pairs
from nwb_mtm.evaluation.scoring import evaluate
from nwb_mtm.evaluation.seen import changed_units, perturbed_windows, same_time
from nwb_mtm.joining import join_probes
from nwb_mtm.scores import Scores
from nwb_mtm.splits import TEST, TRAIN, VALID
from nwb_mtm.synthetic.session import Simulated, simulate
from nwb_mtm.windows import Windows

RIDGE = Options(
    scores=("co-smoothing",),
    baselines=("constant", "psth", "drift", "ridge"),
    draws=20,
    variants=False,
    folds=5,
    guarded=False,
)


@functools.cache
def session(flaw: str) -> Simulated:
    flaws = (flaw,) if flaw else ()
    return next(iter(simulate(sessions=1, units=60, trials=120, seed=3, flaws=flaws)))


@functools.cache
def cut(flaw: str) -> Windows:
    return Windows.around(session(flaw).recording, "trials.stim_on_time").with_split("blocks")


def scored(windows: Windows, options: Options = RIDGE) -> Scores:
    return evaluate(None, windows, options=options)


def bps(scores: Scores, rows: list[int], who: str = "ridge", score: str = "co-smoothing") -> float:
    found = next(iter(scores.sessions.values())).scores[score].baselines[who].per_unit
    each, spikes = np.array(found.bps)[rows], np.array(found.spikes)[rows]
    known = np.isfinite(each)
    return float((each * spikes)[known].sum() / spikes[known].sum())


def status(scores: Scores, check: str) -> str:
    return {c.name: c.status for c in scores.checks}[check]


def test_halves_of_a_unit_are_flagged_by_the_gap_they_leave_each_other() -> None:
    one = next(iter(simulate(sessions=1, units=60, trials=150, seed=0, flaws=("split-units",))))
    pairs = flag_pairs(one.recording, one.recording.units, np.zeros((0, 2))).pairs
    found = {(p.first, p.second) for p in pairs if p.reason == "refractory"}
    planted = {tuple(pair) for pair in one.truth["flaws"]["split-units"]["pairs"]}
    assert found <= planted
    assert len(found) >= 2
    assert all(p.excess < 0.3 for p in pairs)


@pytest.mark.parametrize(("flaw", "least"), [("drift", 0.0), ("vanishing", 0.3)])
def test_slow_change_passes_for_prediction_without_a_single_other_unit(flaw: str, least: float) -> None:
    rows = session(flaw).truth["flaws"][flaw]["units"]
    plain, twin = (bps(scored(cut(name)), rows, "drift") for name in (flaw, ""))
    assert plain > twin + least


def test_light_looks_like_coordination_and_is_named() -> None:
    windows, rows = cut("laser"), session("laser").truth["flaws"]["laser"]["units"]
    on = perturbed_windows(windows)["laser"]
    assert changed_units(windows, on) > 0.5 * len(rows) / len(windows.units)
    plain, twin, dark = (scored(w) for w in (windows, cut(""), windows.take(~on)))
    gains = [bps(one, rows) - bps(one, rows, "drift") for one in (plain, twin, dark)]
    assert gains[0] > max(gains[1:])
    assert [status(one, "perturbed trials") for one in (plain, twin, dark)] == ["warn", "pass", "pass"]


def test_units_without_a_region_inflate_inter_region_unless_they_are_hidden_too() -> None:
    windows = cut("unknown-probe")
    hidden = set(session("unknown-probe").truth["flaws"]["unknown-probe"]["units"])
    known = [unit for unit in range(60) if unit not in hidden]
    options = replace(RIDGE, scores=("inter-region",))
    plain, guarded = (scored(windows, replace(options, strict=strict)) for strict in (False, True))
    assert bps(plain, known, score="inter-region") > bps(guarded, known, score="inter-region")
    assert status(guarded, "unknown regions") == "warn"


def dealt(windows: Windows) -> tuple[Windows, Windows]:
    """Trials dealt at random; and the same test windows, but as many training windows that share no time with them."""
    rng = np.random.default_rng(0)
    part, order = np.full(len(windows), TRAIN), rng.permutation(len(windows))
    part[order[:12]], part[order[12:36]] = VALID, TEST
    away = (part == TRAIN) & ~apart(windows.start, windows.stop, part == TEST)
    fewer = rng.choice(np.flatnonzero((part == TRAIN) & ~away), int(away.sum()), replace=False)
    naive, honest = part.copy(), part.copy()
    naive[fewer], honest[away] = 3, 3
    return replace(windows, part=naive, partition=None), replace(windows, part=honest, partition=None)


def test_trials_that_overlap_are_never_on_both_sides() -> None:
    windows = cut("overlapping-trials")
    plain, guarded = (scored(w) for w in dealt(windows))
    assert bps(plain, list(range(60))) > bps(guarded, list(range(60)))
    assert status(plain, "unseen test time") == "fail"
    own = scored(windows)
    assert status(own, "unseen test time") == "pass"
    assert status(own, "overlapping windows") == "warn"
    assert status(scored(cut("")), "overlapping windows") == "pass"


def test_a_choice_that_follows_the_clock_is_not_decoded_beyond_it() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    windows = cut("clock-confounded-choice")
    table = np.sqrt(windows.counts.sum(axis=1, dtype=float))
    labels, folds = windows.trial_column("choice"), StratifiedKFold(5, shuffle=True, random_state=0)
    dealt_auc = cross_val_score(LogisticRegression(C=1e-2), table, labels, cv=folds, scoring="roc_auc").mean()
    assert dealt_auc > 0.6
    config = DecodingConfig(permutations=19, draws=20, regions=False, sliding_width=0)
    found = decode(windows, targets=["choice"], config=config).labels["choice"]
    told = [verdict(score.gain_over_clock) for score in found.scores.values()]
    assert found.status.startswith("not decoded") or "better than the clock" not in told


def test_one_session_in_two_files_is_named_and_joined_counts_once() -> None:
    files = [s.recording for s in simulate(sessions=1, units=60, trials=120, seed=3, flaws=("two-files",))]
    named = [replace(one, key=f"{one.key}/{n}") for n, one in enumerate(files)]
    windows = [Windows.around(one, "trials.stim_on_time").with_split() for one in named]
    assert same_time(*windows)
    assert not same_time(windows[0], cut("overlapping-trials"))
    found = evaluate(None, windows, options=RIDGE)
    assert (found.mean["co-smoothing"].sessions, status(found, "duplicate recordings")) == (2, "warn")
    joined = scored(Windows.around(join_probes(files)[0], "trials.stim_on_time").with_split())
    assert (joined.mean["co-smoothing"].sessions, status(joined, "duplicate recordings")) == (1, "pass")


def test_tiles_of_two_sessions_are_not_one_session() -> None:
    one = session("").recording
    tiles = Windows.tile(one, 2.0)
    assert not same_time(tiles, replace(tiles, session="other"))
