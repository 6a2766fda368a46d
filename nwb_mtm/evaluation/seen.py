"""Checks of time: seen in training, recorded twice, scored twice, or perturbed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nwb_mtm.binning import merge_intervals, touches
from nwb_mtm.nwb.targets import perturbed
from nwb_mtm.recording import overlap_share
from nwb_mtm.scores import Check
from nwb_mtm.splits import Split
from nwb_mtm.windows import Windows

SAME_RECORDING = 0.5  # of the units
SAME_TIME = 0.9  # of the shorter one's windows start with one of the other; two animals' trials never do
SAME_START = 1e-3  # seconds
OVERLAPPING = 0.05  # of the test windows share time with another
CHANGED = float(np.log(1.5))  # of a unit's rate in the windows of a perturbation


@dataclass(frozen=True, eq=False)
class Trained:
    """What a model has seen: the split, fingerprint and subject of every training session."""

    splits: Mapping[str, Split] = field(default_factory=dict)
    fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""

    @property
    def subjects(self) -> frozenset[str]:
        """Subjects of training sessions."""
        return frozenset(subject_of(key) for key in self.splits)


NOTHING_SEEN = Trained()


def subject_of(key: str) -> str:
    """The subject in a session's key.

    >>> subject_of("mouse1/a")
    'mouse1'
    """
    return key.split("/", 1)[0]


def verdict(name: str, status: str, found: Sequence[str], fine: str) -> Check:
    """A pass with what is fine, or the status with what was found."""
    listed = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    return Check(name, status, listed) if found else Check(name, "pass", fine)


def unseen(sessions: Mapping[str, Windows], trained: Trained) -> Check:
    """No test window may touch time that was trained on, or chosen on; a split by hand is checked by its windows."""
    found = []
    for key, one in sessions.items():
        split = trained.splits.get(key, one.partition)
        test = one.only("test")
        spans = _spans(one) if split is None else split.seen
        seen = int(touches(test.start, test.stop, spans).sum())
        if seen:
            found.append(f"{key}: {seen} of {len(test)} test windows touch training time")
    return verdict("unseen test time", "fail", found, "no test window touches training or validation time")


def _spans(windows: Windows) -> Float[ndarray, "interval 2"]:
    """The time of training and validation windows."""
    assert windows.part is not None
    some = windows.part < 2
    return merge_intervals(np.stack([windows.start[some], windows.stop[some]], axis=1))


def duplicates(sessions: Mapping[str, Windows], trained: Trained) -> Check:
    """One recording under two names fails; one in two files, or subjects that were trained on, are named."""
    keys, found, said = list(sessions), [], []
    for i, one in enumerate(keys):
        for other in keys[i + 1 :]:
            share = overlap_share(sessions[one].fingerprint, sessions[other].fingerprint)
            if share > SAME_RECORDING:
                found.append(f"{one} and {other} share {share:.0%} of their units")
            elif _subject(one) == _subject(other) and same_time(sessions[one], sessions[other]):
                said.append(
                    f"{one} and {other} have the same events at the same times: one session in two files, which counts "
                    "as one (--join-probes)"
                )
    if found:
        return verdict("duplicate recordings", "fail", found, "")
    strangers = [key for key in keys if trained.splits and key not in trained.splits]
    shared = sorted({_subject(key) for key in strangers} & trained.subjects)
    if shared:
        said.append(f"held-out sessions come from subjects that were trained on: {', '.join(shared)}")
    return verdict(
        "duplicate recordings", "warn", said, "no recording comes twice, or was trained on under another name"
    )


def _subject(key: str) -> str:
    return key.split("/", 1)[0]


def same_time(one: Windows, other: Windows) -> bool:
    """Whether windows around events, at uneven distances, start at the same moments in two files."""
    few, many = sorted((np.sort(one.start), np.sort(other.start)), key=len)
    if len(few) < 3 or np.std(np.diff(few)) < SAME_START:
        return False
    near = np.searchsorted(many, few)
    gap = np.minimum(
        np.abs(many[np.clip(near, 0, len(many) - 1)] - few), np.abs(many[np.clip(near - 1, 0, len(many) - 1)] - few)
    )
    return bool((gap < SAME_START).mean() >= SAME_TIME)


def overlapping(sessions: Mapping[str, Windows]) -> Check:
    """Test windows that share time hold the same spikes twice, and make intervals too short."""
    found = []
    for key, one in sessions.items():
        share = float(_overlaps(one.only("test")).mean()) if len(one.only("test")) else 0.0
        if share > OVERLAPPING:
            found.append(
                f"{key}: {share:.0%} of the test windows share time with another; end them earlier with --after"
            )
    return verdict("overlapping windows", "warn", found, "test windows do not share time")


def _overlaps(windows: Windows) -> Bool[ndarray, " window"]:
    order = np.argsort(windows.start, kind="stable")
    start, stop = windows.start[order], windows.stop[order]
    with_next = np.append(start[1:] < stop[:-1] - 1e-9, False)
    return np.asarray(with_next | np.append(False, with_next[:-1]) if len(start) else with_next[:0])


def perturbations(sessions: Mapping[str, Windows]) -> Check:
    """Trials with light on (or the like): what all units do then is easily told, and is no coordination."""
    found = []
    for key, one in sessions.items():
        for name, on in perturbed_windows(one).items():
            share = changed_units(one, on)
            found.append(
                f"{key}: {int(on.sum())} of {len(on)} windows have {name}, {share:.0%} of the units change 1.5-fold; "
                f"score them apart (--by {name}) or leave them out (--trials)"
            )
    return verdict("perturbed trials", "warn", found, "no trial column looks like a perturbation")


def perturbed_windows(windows: Windows) -> dict[str, Bool[ndarray, " window"]]:
    """Windows of perturbed trials, for every column that looks like a perturbation and has both kinds."""
    if windows.trials is None or windows.trial is None or (windows.trial < 0).any():
        return {}
    found = {name: on[windows.trial] for name, on in perturbed(windows.trials).items()}
    return {name: on for name, on in found.items() if on.any() and not on.all()}


def changed_units(windows: Windows, on: Bool[ndarray, " window"]) -> float:
    """Share of the units whose rate is another when the perturbation is on, beyond chance."""
    counts = np.where(windows.valid, windows.counts, 0)
    spikes = np.stack([counts[rows].sum(axis=(0, 1), dtype=np.float64) for rows in (on, ~on)])
    seen = np.stack([windows.valid[rows].sum(axis=(0, 1)) for rows in (on, ~on)])
    ratio = np.log((spikes[0] + 0.5) / np.maximum(seen[0], 1)) - np.log((spikes[1] + 0.5) / np.maximum(seen[1], 1))
    error = np.sqrt((1 / (spikes + 0.5)).sum(axis=0))
    return float(((np.abs(ratio) > CHANGED) & (np.abs(ratio) > 4 * error)).mean())
