"""The box of checks: what could make these scores mean less than they seem to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import stats

from nwb_mtm.evaluation.seen import Trained, duplicates, overlapping, perturbations, unseen, verdict
from nwb_mtm.evaluation.tallies import smallest_gain
from nwb_mtm.metrics import LN2
from nwb_mtm.regions import is_context
from nwb_mtm.scores import Check, Scores
from nwb_mtm.windows import Windows

LEAST_WINDOWS = 30
WORTH_SEEING = 0.02  # bits per spike; a test set that cannot show this gain is too small
EPOCHS = 10
TREND = float(np.log(2.0))  # change of a unit's log rate along the session ...
STEADY = 0.5  # ... of which a straight line explains this share
TRENDING_SHARE = 0.14  # of units; clean simulated sessions stay below 0.09, drifting ones lie above 0.19
SILENT_SHARE = 0.3  # of the session, at its start or end
SILENT_CHANCE = 1e-6
CLIQUE = 4  # units at different places that share zero-lag spikes
UNKNOWN_SHARE = 0.2


def check(scores: Scores, sessions: Mapping[str, Windows], trained: Trained) -> tuple[Check, ...]:
    """All checks, in the order in which they should be read."""
    return (
        unseen(sessions, trained),
        duplicates(sessions, trained),
        overlapping(sessions),
        perturbations(sessions),
        _pairs(scores),
        _common_noise(scores),
        _drift(sessions),
        _vanishing(sessions),
        _unknown_regions(sessions),
        _few_windows(sessions),
        _few_spikes(sessions),
        _baseline_wins(scores),
        _beyond_truth(scores),
    )


def _pairs(scores: Scores) -> Check:
    found = []
    for key, session in scores.sessions.items():
        if session.guards.get("note"):
            found.append(f"{key}: {session.guards['note']}")
        elif session.guards.get("pairs"):
            pairs = session.guards["pairs"]
            units = {unit for pair in pairs for unit in pair["units"]}
            told = f"{len(pairs)} pairs of {len(units)} units share spikes, trade them or take turns"
            found.append(f"{key}: {told}; see guarded scores")
    return verdict("flagged pairs", "warn", found, "no two units share or trade spikes")


def _common_noise(scores: Scores) -> Check:
    found = []
    for key, session in scores.sessions.items():
        pairs = [p for p in session.guards.get("pairs", []) if p["reason"] == "coincidence"]
        apart = [p["units"] for p in pairs if not p["same_place"]]
        largest = max(_connected(apart), key=len, default=set())
        if len(largest) >= CLIQUE:
            names = ", ".join(sorted(largest)[:8])
            found.append(f"{key}: {len(largest)} units at different places spike together within 0.5 ms ({names})")
    return verdict("common noise", "warn", found, "no group of units at different places spikes at one moment")


def _connected(pairs: Sequence[Sequence[str]]) -> list[set[str]]:
    """Units that pairs join."""
    groups: list[set[str]] = []
    for pair in pairs:
        touching = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if not group & set(pair)]
        groups.append(set(pair).union(*touching))
    return groups


def drift_loss(windows: Windows) -> float:
    """Bits per spike that a constant rate loses when it is measured on the first four fifths of a session.

    What chance alone would lose is taken off: half a nat for each unit and stretch.
    """
    order = np.argsort(windows.start)
    totals, seen = _totals(windows.take(order))
    cut = int(0.8 * len(order))
    before = np.maximum(totals[:cut].sum(axis=0), 0.5) / np.maximum(seen[:cut].sum(axis=0), 1)
    spikes, bins = totals[cut:].sum(axis=0), seen[cut:].sum(axis=0)
    after = spikes / np.maximum(bins, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(spikes > 0, spikes * np.log(np.maximum(after, 1e-12) / before), 0.0) - bins * (after - before)
    chance = _chance_loss(totals, seen, cut)
    return float((lost.sum() - chance) / (LN2 * max(spikes.sum(), 1.0)))


def _totals(windows: Windows) -> tuple[Float[ndarray, "window unit"], Float[ndarray, "window unit"]]:
    valid = windows.valid
    return np.where(valid, windows.counts, 0).sum(axis=1, dtype=np.float64), valid.sum(axis=1).astype(np.float64)


def _chance_loss(totals: ndarray, seen: ndarray, cut: int) -> float:
    """What windows in random order would lose, on average: the spread of window totals over both stretches."""
    mean = totals.sum(axis=0) / np.maximum(seen.sum(axis=0), 1) * seen.mean(axis=0)
    spread = totals.var(axis=0) / np.maximum(mean, 1e-9)
    late = len(totals) - cut
    return float((0.5 * spread * (1 + late / max(cut, 1)))[mean > 0].sum())


def trending_share(windows: Windows) -> float:
    """Share of units whose rate doubles or halves along a straight line (in log rate) through the session."""
    totals, seen = _totals(windows.take(np.argsort(windows.start)))
    epoch = np.arange(len(totals)) * EPOCHS // len(totals)
    spikes = np.stack([totals[epoch == e].sum(axis=0) for e in range(EPOCHS)])
    bins = np.stack([seen[epoch == e].sum(axis=0) for e in range(EPOCHS)])
    level = np.log((spikes + 0.5) / np.maximum(bins, 1))
    time = np.arange(EPOCHS) - (EPOCHS - 1) / 2
    slope = (time @ level) / (time @ time)
    explained = np.outer(time, slope) ** 2
    share = explained.sum(axis=0) / np.maximum(((level - level.mean(axis=0)) ** 2).sum(axis=0), 1e-9)
    return float(((np.abs(slope) * EPOCHS > TREND) & (share > STEADY)).mean())


def _drift(sessions: Mapping[str, Windows]) -> Check:
    figures, found = [], []
    for key, one in sessions.items():
        if len(one) < 2 * EPOCHS:
            continue
        lost, share = drift_loss(one), trending_share(one)
        figures.append(f"{key} {lost:.3f}")
        if share > TRENDING_SHARE:
            found.append(
                f"{key}: {share:.0%} of units double or halve steadily; constant rates lose {lost:.3f} bits per spike"
            )
    told = ", ".join(figures[:5]) or "not measured"
    return verdict("drift", "warn", found, f"few units drift; bits per spike lost from first 80 % to last 20 %: {told}")


def vanishing(windows: Windows) -> list[str]:
    """Units that are silent for a third of the session at its start or end, which their rate does not explain."""
    order = np.argsort(windows.start)
    totals, seen = _totals(windows.take(order))
    fired = totals > 0
    count = len(totals)
    if count < 20:
        return []
    head = np.where(fired.any(axis=0), fired.argmax(axis=0), count)
    tail = np.where(fired.any(axis=0), fired[::-1].argmax(axis=0), count)
    names = []
    for unit in range(totals.shape[1]):
        silent = max(head[unit], tail[unit])
        spikes = totals[:, unit].sum()
        active = max(count - silent, 1)
        expected = spikes / active * silent / max(1.0, _dispersion(totals[:, unit]))
        if silent > SILENT_SHARE * count and spikes > 0 and stats.poisson.pmf(0, expected) < SILENT_CHANCE:
            names.append(windows.units.keys[unit])
    return names


def _dispersion(totals: Float[ndarray, " window"]) -> float:
    live = totals[totals > 0]
    return float(live.var() / live.mean()) if len(live) else 1.0


def _vanishing(sessions: Mapping[str, Windows]) -> Check:
    found = [
        f"{key}: {len(names)} units fall silent for a third of the session ({', '.join(names[:8])})"
        for key, one in sessions.items()
        if (names := vanishing(one))
    ]
    return verdict("vanishing units", "warn", found, "no unit falls silent for a third of a session")


def _unknown_regions(sessions: Mapping[str, Windows]) -> Check:
    found = []
    for key, one in sessions.items():
        unknown = sum(is_context(region) for region in one.units.regions)
        if unknown > UNKNOWN_SHARE * len(one.units):
            found.append(f"{key}: {unknown} of {len(one.units)} units have no region")
    return verdict("unknown regions", "warn", found, "nearly all units have a region")


def _few_windows(sessions: Mapping[str, Windows]) -> Check:
    counts = {key: len(one.only("test")) for key, one in sessions.items()}
    few = [
        f"{key}: {count} test windows, fewer than {LEAST_WINDOWS}"
        for key, count in counts.items()
        if count < LEAST_WINDOWS
    ]
    return verdict("too few windows", "warn", few, f"at least {LEAST_WINDOWS} test windows in every session")


def _few_spikes(sessions: Mapping[str, Windows]) -> Check:
    found = []
    for key, one in sessions.items():
        test = one.only("test").select(np.flatnonzero(one.units.scored))
        least = smallest_gain(float(_totals(test)[0].sum()))
        if least > WORTH_SEEING:
            found.append(f"{key}: its test spikes can show no gain below {least:.3f} bits per spike")
    return verdict("too few spikes", "warn", found, f"gains of {WORTH_SEEING} bits per spike would show")


def _baseline_wins(scores: Scores) -> Check:
    found, asked = [], False
    for key, session in scores.sessions.items():
        for name, activity in session.scores.items():
            if activity.model is None or not activity.baselines:
                continue
            asked = True
            own = activity.model.scored.bps_pooled.value
            others: dict[str, Any] = {n: s.scored.bps_pooled.value for n, s in activity.baselines.items()}
            best = max(others, key=lambda n: others[n])
            if own < others[best]:
                found.append(f"{key}, {name}: {best} reaches {others[best]:.3f}, the model {own:.3f}")
    fine = "the model is ahead of every baseline" if asked else "no model was scored"
    return verdict("baseline wins", "warn", found, fine)


def _beyond_truth(scores: Scores) -> Check:
    """A model cannot beat the rates that spikes were drawn from, unless it has seen the spikes."""
    found, asked = [], False
    for key, session in scores.sessions.items():
        for name, activity in session.scores.items():
            if activity.model is not None and activity.oracle is not None:
                asked = True
                own, most = activity.model.scored.bps_pooled, activity.oracle.scored.bps_pooled
                if own.low > most.high:
                    found.append(f"{key}, {name}: {own.value:.3f}, but the true rates reach {most.value:.3f}")
    fine = "nothing is better than the true rates" if asked else "there is no known truth"
    return verdict("beyond the truth", "fail", found, fine)
