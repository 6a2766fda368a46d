"""Every planted flaw inflates a score or raises its alarm; clean sessions raise none."""

import functools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from nwb_mtm.baselines.oracle import Truth
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.checks import drift_loss, trending_share, vanishing
from nwb_mtm.evaluation.scoring import evaluate
from nwb_mtm.evaluation.seen import NOTHING_SEEN
from nwb_mtm.scores import Scores
from nwb_mtm.synthetic.session import Simulated, simulate
from nwb_mtm.windows import Windows

ONLY_RIDGE = Options(
    scores=("co-smoothing",), baselines=("constant", "drift", "ridge"), draws=50, variants=False, folds=5
)


@functools.cache
def planted(flaw: str) -> tuple[Simulated, Windows]:
    flaws = (flaw,) if flaw else ()
    session = next(iter(simulate(sessions=1, units=60, trials=120, seed=3, flaws=flaws)))
    windows = Windows.around(session.recording, "trials.stim_on_time", before=0.5, after=1.5)
    return session, windows.with_split("blocks")


@functools.cache
def scored(flaw: str) -> Scores:
    session, windows = planted(flaw)
    key = windows.session
    return evaluate(
        None,
        windows,
        options=ONLY_RIDGE,
        truths={key: Truth(session.rates, session.t0)},
        recordings={key: session.recording},
    )


def alarms(flaw: str) -> set[str]:
    return {c.name for c in scored(flaw).checks if c.status != "pass"} - {"too few windows"}


def pair_score(flaw: str, guarded: bool) -> float:
    """Mean over the planted units of ridge's bits per spike, less what their true rates reach."""
    activity = next(iter(scored(flaw).sessions.values())).scores["co-smoothing"]
    facts: Mapping[str, list[list[int]]] = planted(flaw)[0].truth["flaws"][flaw]
    rows = np.unique(np.array(facts["pairs"]).reshape(-1))
    found = (activity.guarded if guarded else activity.baselines)["ridge"].per_unit.bps
    assert activity.oracle is not None
    return float(np.nanmean(np.array(found)[rows] - np.array(activity.oracle.per_unit.bps)[rows]))


def test_a_clean_session_raises_no_alarm() -> None:
    assert alarms("") == set()


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("duplicates", "flagged pairs"),
        ("bleed", "flagged pairs"),
        ("common-noise", "common noise"),
        ("drift", "drift"),
        ("vanishing", "vanishing units"),
        ("unknown-probe", "unknown regions"),
    ],
)
def test_a_planted_flaw_raises_its_alarm(flaw: str, check: str) -> None:
    assert check in alarms(flaw)


@pytest.mark.parametrize("flaw", ["duplicates", "bleed"])
def test_shared_spikes_inflate_the_plain_score_and_not_the_guarded_one(flaw: str) -> None:
    plain, guarded = pair_score(flaw, guarded=False), pair_score(flaw, guarded=True)
    assert plain > guarded + 0.05
    assert guarded < 0.02


def test_halves_of_a_unit_stay_apart_in_the_guarded_score() -> None:
    assert pair_score("split-units", guarded=False) >= pair_score("split-units", guarded=True)


def test_vanishing_units_are_named_one_by_one() -> None:
    session, windows = planted("vanishing")
    true = {session.recording.units.keys[row] for row in session.truth["flaws"]["vanishing"]["units"]}
    found = set(vanishing(windows))
    assert len(found & true) >= 0.8 * len(true)
    assert not found - true


def test_drift_is_measured_beyond_chance() -> None:
    clean, drifting = planted("")[1], planted("drift")[1]
    assert drift_loss(drifting) > drift_loss(clean)
    assert trending_share(drifting) > 2 * trending_share(clean)


def test_one_recording_under_two_names_fails() -> None:
    session, windows = planted("")
    twin = replace(windows, session="other/name")
    found = evaluate(None, [windows, twin], options=replace(ONLY_RIDGE, guarded=False), trained=NOTHING_SEEN)
    assert {c.name: c.status for c in found.checks}["duplicate recordings"] == "fail"


def test_few_windows_and_spikes_are_said() -> None:
    _, windows = planted("")
    few = windows.take(np.concatenate([np.arange(40), 60 + np.flatnonzero(windows.part[60:] == 2)[:3]]))
    found = evaluate(None, few, options=replace(ONLY_RIDGE, guarded=False))
    assert {c.name for c in found.checks if c.status == "warn"} >= {"too few windows", "flagged pairs"} - {
        "flagged pairs"
    }
