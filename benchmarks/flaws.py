"""For every planted flaw: by how much it inflates a plain score, what the guarded form says, and which check warns.

    python benchmarks/flaws.py [SEEDS]

Twins are sessions of the same seed without the flaw. Then 20 clean sessions, in which no check may warn.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from nwb_mtm.baselines.oracle import Oracle, Truth
from nwb_mtm.baselines.rivals import RIVALS
from nwb_mtm.decoding.decoder import DecodingConfig, decode
from nwb_mtm.decoding.features import TrialFeatures, filled_counts
from nwb_mtm.decoding.folds import apart
from nwb_mtm.decoding.results import verdict
from nwb_mtm.evaluation.activity import Bench, Options
from nwb_mtm.evaluation.scoring import evaluate, evidence_of
from nwb_mtm.joining import join_probes
from nwb_mtm.metrics import choose_units, pooled
from nwb_mtm.recording import Recording
from nwb_mtm.scores import Scores
from nwb_mtm.splits import TEST, TRAIN, VALID
from nwb_mtm.synthetic.session import Simulated, simulate
from nwb_mtm.windows import Windows

UNITS, TRIALS = 60, 200
QUICK = Options(scores=("co-smoothing",), baselines=("constant", "psth", "drift", "ridge"), draws=200, variants=False)


@dataclass(frozen=True)
class Row:
    """One flaw in one session."""

    measured: str
    plain: float
    twin: float
    guarded: float
    check: str
    caught: bool


def session(flaw: str, seed: int) -> Simulated:
    """One session, with or without a flaw."""
    return next(iter(simulate(sessions=1, units=UNITS, trials=TRIALS, seed=seed, flaws=(flaw,) if flaw else ())))


def cut(recording: Recording) -> Windows:
    """Windows around the stimulus, in blocks of time."""
    return Windows.around(recording, "trials.stim_on_time").with_split()


def scored(windows: Windows, recording: Recording | None = None, options: Options = QUICK) -> Scores:
    """Baselines alone."""
    return evaluate(
        None, windows, options=options, recordings={} if recording is None else {windows.session: recording}
    )


def bps(scores: Scores, rows: Sequence[int], who: str = "ridge", *, guarded: bool = False) -> float:
    """Pooled bits per spike of some units."""
    activity = next(iter(scores.sessions.values())).scores["co-smoothing"]
    found = (activity.guarded if guarded else activity.baselines)[who].per_unit
    each, spikes = np.array(found.bps)[list(rows)], np.array(found.spikes)[list(rows)]
    known = np.isfinite(each)
    return float((each * spikes)[known].sum() / spikes[known].sum())


def gain(scores: Scores, rows: Sequence[int]) -> float:
    """What ridge has over drift in some units."""
    return bps(scores, rows) - bps(scores, rows, "drift")


def warned(scores: Scores, check: str) -> bool:
    """Whether a check did not pass."""
    return {c.name: c.status for c in scores.checks}[check] != "pass"


def pairs(flaw: str, check: str = "flagged pairs") -> Callable[[int], Row]:
    """Units that share spikes predict each other; the guarded form hides the partner."""

    def row(seed: int) -> Row:
        bad, clean = session(flaw, seed), session("", seed)
        found, twin = scored(cut(bad.recording), bad.recording), scored(cut(clean.recording))
        facts = bad.truth["flaws"][flaw]
        planted = facts["pairs"] if "pairs" in facts else [[unit] for unit in facts["units"]]
        rows = sorted({unit for one in planted for unit in one})
        whole = [unit for unit in rows if unit < UNITS]
        what = f"ridge, {'units of planted pairs' if 'pairs' in facts else 'units of the noisy probe'}"
        return Row(
            what, bps(found, rows), bps(twin, whole), bps(found, rows, guarded=True), check, warned(found, check)
        )

    return row


def split_units(seed: int) -> Row:
    """The twin is the same session with the other half hidden, and nothing else."""
    bad = session("split-units", seed)
    windows = cut(bad.recording)
    planted = bad.truth["flaws"]["split-units"]["pairs"]
    rows = sorted({unit for one in planted for unit in one})
    found = scored(windows, bad.recording)
    hide = np.zeros((len(windows.units),) * 2, bool)
    for a, b in planted:
        hide[a, b] = hide[b, a] = True
    bench = Bench.of(evidence_of(windows), replace(QUICK, folds=None), None)
    each = [
        bench.tally(RIVALS["ridge"](bench.design, "co-smoothing", bench.plan("co-smoothing", with_)))
        for with_ in (None, hide)
    ]
    chosen = np.isin(np.arange(len(windows.units)), rows)
    values = [float(pooled(choose_units(tally.point, chosen))[0]) for tally in each]
    caught = warned(found, "flagged pairs")
    return Row(
        "ridge, halves (twin: the other half hidden)", values[0], values[1], bps(found, rows, guarded=True),
        "flagged pairs", caught,
    )  # fmt: skip


def unseen_rate(flaw: str, check: str) -> Callable[[int], Row]:
    """Slow change passes for prediction: `drift` sees no other unit. The headline takes it off again."""

    def row(seed: int) -> Row:
        bad, clean = session(flaw, seed), session("", seed)
        rows = bad.truth["flaws"][flaw]["units"]
        found, twin = scored(cut(bad.recording), bad.recording), scored(cut(clean.recording))
        return Row("drift baseline, changing units", bps(found, rows, "drift"), bps(twin, rows, "drift"), 0.0, check,
                   warned(found, check))  # fmt: skip

    return row


def laser(seed: int) -> Row:
    """What light does to all units at once is told by any of them; without those trials it is not."""
    bad, clean = session("laser", seed), session("", seed)
    rows, windows = bad.truth["flaws"]["laser"]["units"], cut(bad.recording)
    dark = windows.take(~windows.trial_column("laser").astype(bool))
    found, twin, alone = scored(windows), scored(cut(clean.recording)), scored(dark)
    return Row(
        "ridge over drift, silenced units", gain(found, rows), gain(twin, rows), gain(alone, rows),
        "perturbed trials", warned(found, "perturbed trials"),
    )  # fmt: skip


def unknown_probe(seed: int) -> Row:
    """Units without a region stay visible when their region is hidden, unless the guard takes them along."""
    bad, clean = session("unknown-probe", seed), session("", seed)
    region = replace(QUICK, scores=("inter-region",), guarded=False)
    loose = scored(cut(bad.recording), options=replace(region, strict=False))
    strict = scored(cut(bad.recording), options=region)
    hidden = set(bad.truth["flaws"]["unknown-probe"]["units"])
    known = [unit for unit in range(UNITS) if unit not in hidden]
    twin = scored(cut(clean.recording), options=region)
    values = [_inter(one, known) for one in (loose, twin, strict)]
    return Row(
        "ridge, inter-region", values[0], values[1], values[2], "unknown regions", warned(strict, "unknown regions")
    )


def _inter(scores: Scores, rows: Sequence[int]) -> float:
    found = next(iter(scores.sessions.values())).scores["inter-region"].baselines["ridge"].per_unit
    each, spikes = np.array(found.bps)[list(rows)], np.array(found.spikes)[list(rows)]
    known = np.isfinite(each)
    return float((each * spikes)[known].sum() / spikes[known].sum())


def overlapping(seed: int) -> Row:
    """Trials dealt at random train on spikes that are then tested; the same test windows without that are the guard."""
    windows = cut(session("overlapping-trials", seed).recording)
    rng = np.random.default_rng(seed)
    part = np.full(len(windows), TRAIN)
    dealt = rng.permutation(len(windows))
    part[dealt[: len(dealt) // 10]] = VALID
    part[dealt[len(dealt) // 10 :][: len(dealt) // 5]] = TEST
    away = (part == TRAIN) & ~apart(windows.start, windows.stop, part == TEST)
    fewer = rng.choice(np.flatnonzero((part == TRAIN) & ~away), int(away.sum()), replace=False)
    naive, honest = part.copy(), part.copy()
    naive[fewer], honest[away] = 3, 3  # as many training windows in both
    found, guarded = (scored(replace(windows, part=p, partition=None)) for p in (naive, honest))
    clean = scored(replace(cut(session("", seed).recording), part=naive, partition=None))
    rows = range(UNITS)
    caught = warned(found, "unseen test time") and warned(scored(windows), "overlapping windows")
    return Row(
        "ridge, trials dealt at random", bps(found, rows), bps(clean, rows), bps(guarded, rows),
        "unseen test time, overlapping windows", caught,
    )  # fmt: skip


def clock_choice(seed: int) -> Row:
    """A choice in long runs is read from slow drift when trials are dealt at random; no region knows of it."""
    windows = cut(session("clock-confounded-choice", seed).recording)
    config = DecodingConfig(permutations=100, draws=200, regions=False, sliding_width=0)
    found = decode(windows, targets=["choice"], config=config).labels["choice"]
    features = TrialFeatures().of(filled_counts(windows), windows.bin_size)
    choice = (windows.trial_column("choice") == "right").astype(int)
    shuffled = np.random.default_rng(seed).permutation(choice)
    guarded = found.scores["counts"].auc.value if "counts" in found.scores else np.nan
    said = verdict(found.scores["counts"].gain_over_clock) if "counts" in found.scores else found.status
    return Row(
        "AUC of choice, trials dealt at random", dealt_auc(features, choice), dealt_auc(features, shuffled), guarded,
        "decoding: refused, or no better than the clock", said != "better than the clock",
    )  # fmt: skip


def dealt_auc(features: ndarray, labels: ndarray) -> float:
    """Logistic regression in five folds of trials dealt at random."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    model = LogisticRegression(C=1e-3, max_iter=2000)
    told = cross_val_predict(model, features - features.mean(axis=0), labels, cv=folds, method="predict_proba")
    return float(roc_auc_score(labels, told[:, 1]))


def two_files(seed: int) -> Row:
    """Two probes in two files count as two sessions, though they are one; joined they count once."""
    files = list(simulate(sessions=1, units=UNITS, trials=TRIALS, seed=seed, flaws=("two-files",)))
    apart_ = [cut(replace(one.recording, key=f"{one.recording.key}/{n}")) for n, one in enumerate(files)]
    found = evaluate(None, apart_, options=QUICK)
    joined = evaluate(None, cut(join_probes([one.recording for one in files])[0]), options=QUICK)
    counted = [scores.mean["co-smoothing"].sessions for scores in (found, joined)]
    return Row(
        "sessions that are counted", counted[0], 1, counted[1], "duplicate recordings",
        warned(found, "duplicate recordings"),
    )  # fmt: skip


FLAWS: dict[str, Callable[[int], Row]] = {
    "split-units": split_units,
    "duplicates": pairs("duplicates"),
    "bleed": pairs("bleed"),
    "common-noise": pairs("common-noise", "common noise"),
    "drift": unseen_rate("drift", "drift"),
    "vanishing": unseen_rate("vanishing", "vanishing units"),
    "laser": laser,
    "unknown-probe": unknown_probe,
    "overlapping-trials": overlapping,
    "clock-confounded-choice": clock_choice,
    "two-files": two_files,
}


def table(seeds: int = 5) -> Iterator[str]:
    """Means over sessions, one line for every flaw."""
    yield "| flaw | measured | plain | clean twin | guarded | inflated | what warns | caught |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for flaw, measure in FLAWS.items():
        rows = [measure(seed) for seed in range(seeds)]
        plain, twin = (np.mean([getattr(row, name) for row in rows]) for name in ("plain", "twin"))
        known = [row.guarded for row in rows if np.isfinite(row.guarded)]
        guarded = f"{np.mean(known):.3f}" if known else "none"
        base = [row.twin if flaw not in PAIRED else row.guarded for row in rows]
        inflated = sum(row.plain > one for row, one in zip(rows, base))
        caught = sum(row.caught for row in rows)
        yield (
            f"| `{flaw}` | {rows[0].measured} | {plain:.3f} | {twin:.3f} | {guarded} | {inflated} of {seeds} | "
            f"{rows[0].check} | {caught} of {seeds} |"
        )


PAIRED = ("overlapping-trials", "unknown-probe")  # their plain score is above the guarded one of the same windows


def clean(sessions: int = 20) -> Iterator[str]:
    """All scores and all checks of sessions without a flaw, the true rates in the place of a model."""
    alarmed = 0
    for seed in range(sessions):
        one = session("", seed)
        windows = cut(one.recording)
        truth = Oracle({windows.session: Truth(one.rates, one.t0)})
        found = evaluate(truth, windows, options=Options(draws=100), recordings={windows.session: one.recording})
        said = [f"{c.name}: {c.message}" for c in found.checks if c.status != "pass"]
        alarmed += bool(said)
        if said:
            yield f"clean session {seed}: {'; '.join(said)}"
    yield f"{alarmed} of {sessions} clean sessions raise an alarm in {len(found.checks)} checks"


def main(words: Sequence[str]) -> None:
    for line in table(int(words[0]) if words else 5):
        print(line, flush=True)
    for line in clean():
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
