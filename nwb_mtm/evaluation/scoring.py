"""Score a predictor on unseen time, beside its baselines, with intervals and checks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from nwb_mtm.baselines.oracle import Oracle, Truth
from nwb_mtm.baselines.plain import Evidence
from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.activity import Bench, Options, Predictor, Scored, score_activity
from nwb_mtm.evaluation.checks import check
from nwb_mtm.evaluation.extras import with_extras
from nwb_mtm.evaluation.finding import Finding, means
from nwb_mtm.evaluation.fingerprints import versions
from nwb_mtm.evaluation.guarded import Guarding, make_guard, with_guard
from nwb_mtm.evaluation.memory import remembering
from nwb_mtm.evaluation.seen import NOTHING_SEEN, Trained, subject_of
from nwb_mtm.passes import Score
from nwb_mtm.recording import Recording, overlap_share
from nwb_mtm.scores import Scores, SessionScores
from nwb_mtm.sources.store import Store
from nwb_mtm.splits import PARTS
from nwb_mtm.threads import threads_for
from nwb_mtm.windows import BinnedBehavior, Windows

SAME_RECORDING = 0.5  # share of common units above which two recordings are one


@runtime_checkable
class Knows(Predictor, Protocol):
    """A predictor that says what it has seen."""

    @property
    def trained(self) -> Trained: ...


def evaluate(
    predictor: Predictor | None,
    windows: Windows | Iterable[Windows],
    *,
    options: Options | None = None,
    trained: Trained = NOTHING_SEEN,
    truths: Mapping[str, Truth] | None = None,
    recordings: Mapping[str, Recording] | None = None,
    store: Store | None = None,
) -> Scores:
    """All scores of a predictor (or of the baselines alone) on the test windows of every session.

    `windows` hold training, validation and test parts; parts of one session may come one by one. `trained` says
    what the predictor has seen: those sessions keep the split they were trained with. `recordings` give spike
    times, with which pairs of units are checked. In `store` baselines are kept for the next model.
    """
    chosen = options or Options()
    sessions = join_parts([windows] if isinstance(windows, Windows) else windows)
    refuse_known_names(sessions, trained)
    sessions = {key: respect_training(one, trained) for key, one in sessions.items()}
    found = {
        key: Finding.of(
            *evaluate_session(
                predictor,
                one,
                chosen,
                truth=(truths or {}).get(key),
                recording=(recordings or {}).get(key),
                store=store,
            )
        )
        for key, one in sessions.items()
    }
    return assembled(found, sessions, chosen, trained, recordings or {}, name=type(predictor).__name__)


def assembled(
    found: Mapping[str, Finding],
    sessions: Mapping[str, Windows],
    chosen: Options,
    trained: Trained,
    recordings: Mapping[str, Recording],
    *,
    name: str = "",
) -> Scores:
    """The scores of all sessions with their means, protocol and checks."""
    scores = Scores(
        model=trained.name or name,
        protocol=protocol(list(sessions.values()), chosen, recordings.values()),
        split=", ".join(sorted({split_name(one) for one in sessions.values()})),
        sessions={key: one.session for key, one in found.items()},
        mean=means(found, chosen),
        seeds=seeds(sessions.values(), chosen),
        versions=versions(),
    )
    return replace(scores, checks=check(scores, sessions, trained))


def evaluate_session(
    predictor: Predictor | None,
    windows: Windows,
    options: Options,
    *,
    truth: Truth | None = None,
    recording: Recording | None = None,
    store: Store | None = None,
) -> tuple[SessionScores, Mapping[Score, Scored]]:
    """All scores of one session, with the sums behind them."""
    evidence = evidence_of(windows, options.conditions)
    oracle = None if truth is None else Oracle({windows.session: truth})
    spikes = recording if options.guarded else None
    with remembering(store, windows, options, spikes) as memory, threads_for(len(windows.units)):
        bench = Bench.of(evidence, options, predictor, oracle, memory)
        guarding = make_guard(bench, recording) if options.guarded else None
        scored = {score: _score(bench, score, guarding) for score in options.scores}
    session = SessionScores(
        units=unit_columns(windows),
        scores={score: one.activity for score, one in scored.items()},
        subject=subject_of(windows.session),
        windows=part_counts(windows),
        guards={} if guarding is None else guarding.facts,
    )
    return session, scored


def _score(bench: Bench, score: Score, guarding: Guarding | None) -> Scored:
    scored = with_extras(bench, score_activity(bench, score))
    return scored if guarding is None else with_guard(bench, scored, guarding)


def evidence_of(windows: Windows, conditions: Sequence[str] = ()) -> Evidence:
    """Windows laid out by part; a session without test windows is an error."""
    test = windows.only("test")
    if not len(test):
        raise RunError(
            f"{windows.session} has no test window among its {len(windows)}: all touch training time, or lie between "
            "the parts of the split.",
            kind="nothing_to_do",
        )
    return Evidence(windows.only("train"), windows.only("valid"), test, tuple(conditions))


def join_parts(windows: Iterable[Windows]) -> dict[str, Windows]:
    """Windows by session; parts of one session are put together again, those that a test part knows of as well."""
    found: dict[str, list[Windows]] = {}
    for one in windows:
        found.setdefault(one.session, []).append(one)
    for parts in found.values():
        if len(parts) == 1 and len(parts[0]) == len(parts[0].only("test")):  # baselines learn from the rest
            parts += [other for other in parts[0].others if not len(other.only("test"))]
    return {key: parts[0] if len(parts) == 1 else _concatenate(parts) for key, parts in found.items()}


def _concatenate(parts: Sequence[Windows]) -> Windows:
    first = parts[0]
    if any(p.units.keys != first.units.keys or p.counts.shape[1] != first.counts.shape[1] for p in parts):
        raise RunError(f"The parts of {first.session} have different units or bins.", kind="does_not_fit")
    observed = None if first.observed is None else np.concatenate([p.valid for p in parts])
    return replace(
        first,
        start=np.concatenate([p.start for p in parts]),
        counts=np.concatenate([p.counts for p in parts]),
        observed=observed,
        trial=np.concatenate([p.trial for p in parts if p.trial is not None]),
        part=np.concatenate([p.part for p in parts if p.part is not None]),
        behaviors={name: _one_series([p.behaviors[name] for p in parts]) for name in _common(parts)},
    )


def _common(parts: Sequence[Windows]) -> list[str]:
    return [name for name in parts[0].behaviors if all(name in part.behaviors for part in parts)]


def _one_series(parts: Sequence[BinnedBehavior]) -> BinnedBehavior:
    values, valid = (np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "valid"))
    return replace(parts[0], values=values, valid=valid)


def respect_training(windows: Windows, trained: Trained) -> Windows:
    """Windows with the parts that training gave their time; a session that was not trained on keeps its own."""
    split = trained.splits.get(windows.session)
    return windows if split is None else windows.assigned(split)


def refuse_known_names(sessions: Mapping[str, Windows], trained: Trained) -> None:
    """An error when a recording was trained on under another name."""
    for key, one in sessions.items():
        for known, fingerprint in trained.fingerprints.items():
            share = overlap_share(one.fingerprint, fingerprint)
            if known != key and one.fingerprint and share > SAME_RECORDING:
                raise RunError(
                    f"{key} cannot be scored as held out: {share:.0%} of its units are those of {known}, "
                    "which the model was trained on.",
                    kind="seen_in_training",
                )


def split_name(windows: Windows) -> str:
    """How test time was chosen."""
    return "all test" if windows.partition is None else windows.partition.kind


def part_counts(windows: Windows) -> dict[str, int]:
    """Windows by part."""
    assert windows.part is not None
    counts = {name: int((windows.part == i).sum()) for i, name in enumerate(PARTS)}
    return {**counts, "left_out": windows.left_out}


def unit_columns(windows: Windows) -> dict[str, list[object]]:
    """What the tables say about every unit."""
    units, test = windows.units, windows.only("test")
    spikes = np.where(test.valid, test.counts, 0).sum(axis=(0, 1), dtype=np.int64)
    return {
        "key": list(units.keys),
        "id": [i if isinstance(i, str) else int(i) if float(i).is_integer() else float(i) for i in units.ids],
        "row": units.rows.tolist(),
        "region": list(units.regions),
        "group": list(units.groups),
        "rate": [round(float(rate), 4) for rate in test.rates],
        "spikes": spikes.tolist(),
        "scored": units.scored.tolist(),
    }


def seeds(sessions: Iterable[Windows], options: Options) -> dict[str, int]:
    """The chances that the numbers depend on."""
    split = {one.partition.seed for one in sessions if one.partition is not None}
    return {"bootstrap": options.seed, **({"split": split.pop()} if len(split) == 1 else {})}


def protocol(sessions: Sequence[Windows], options: Options, recordings: Iterable[Recording] = ()) -> dict[str, object]:
    """What has to agree before two scores may stand in one column."""
    return {
        "bin": _one({round(one.bin_size, 9) for one in sessions}),
        "bins": _one({one.bins for one in sessions}),
        "alignment": _one({one.alignment for one in sessions}),
        "split": _one({split_name(one) for one in sessions}),
        "null": "test mean (train mean beside it)",
        "units": "those that pass the file's own quality rule; all in a second row",
        "level": _one({one.region_level for one in recordings} or {"as given"}),
        "folds": options.folds or "exact",
        "strict_regions": options.strict,
        "forward": "last tenth of the bins",
    }


def _one(values: set[object] | set[float] | set[int] | set[str]) -> object:
    return next(iter(values)) if len(values) == 1 else sorted(map(str, values))
