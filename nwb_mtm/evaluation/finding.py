"""What was found in one session: its scores, and what means over sessions need of it; to bytes and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy import ndarray

from nwb_mtm.bundle import Bundle
from nwb_mtm.evaluation.activity import Options, Scored
from nwb_mtm.evaluation.tallies import Entry, SessionDraws, mean_score, mean_table
from nwb_mtm.intervals import Value
from nwb_mtm.metrics import STATISTICS
from nwb_mtm.passes import SCORES, Score
from nwb_mtm.scores import MeanScore, SessionScores, Table

LEADS = ("model", "ridge")  # whose single regions have means: of ridge when there is no model


@dataclass(frozen=True, eq=False)
class Drawn:
    """What one score of a session gives to means over sessions."""

    whole: Mapping[str, SessionDraws]  # by predictor
    regions: Mapping[str, SessionDraws]
    lead: str
    gain: Entry | None

    @classmethod
    def of(cls, scored: Scored, subject: str) -> "Drawn":
        """Every predictor's table and resamples, and those of single regions."""
        whole = {name: draws for name in scored.tallies if (draws := scored.draws(name, subject)) is not None}
        lead = next((name for name in LEADS if name in whole), "")
        return cls(whole, scored.region_draws(lead, subject), lead, scored.gain_entry(subject))


@dataclass(frozen=True, eq=False)
class Finding:
    """The scores of one session, with what means need; the rest of an evaluation may be forgotten."""

    session: SessionScores
    drawn: Mapping[Score, Drawn]

    @classmethod
    def of(cls, session: SessionScores, scored: Mapping[Score, Scored]) -> "Finding":
        """What is kept of an evaluated session."""
        return cls(session, {score: Drawn.of(one, session.subject) for score, one in scored.items()})

    def with_parts(self, **parts: Any) -> "Finding":
        """The same with parts of the session's scores (`decoding`, `regions`) set."""
        return replace(self, session=replace(self.session, **parts))


def means(found: Mapping[str, Finding], options: Options) -> dict[str, MeanScore]:
    """Every score over sessions."""
    return {score: _mean([one.drawn[score] for one in found.values()], options) for score in _asked(options)}


def _asked(options: Options) -> list[Score]:
    return [score for score in SCORES if score in options.scores]


def _mean(drawn: Sequence[Drawn], options: Options) -> MeanScore:
    names = sorted({name for one in drawn for name in one.whole} - {"model", "oracle"})
    rows = {name: [one.whole[name] for one in drawn if name in one.whole] for name in ("model", *names)}
    gains = [one.gain for one in drawn if one.gain is not None]
    mean = mean_score(rows.pop("model"), rows, gains, seed=options.seed)
    return mean if len(drawn) < 2 else replace(mean, per_region=_region_means(drawn, options))


def _region_means(drawn: Sequence[Drawn], options: Options) -> dict[str, Table]:
    """Every region over the sessions that hold it; of the model, or of ridge when there is none."""
    lead = next((name for name in LEADS if any(one.lead == name for one in drawn)), "")
    found: dict[str, list[SessionDraws]] = {}
    for one in drawn:
        for region, draws in one.regions.items() if one.lead == lead else ():
            found.setdefault(region, []).append(draws)
    return {region: mean_table(draws, seed=options.seed) for region, draws in sorted(found.items())}


def pack(findings: Sequence[Finding]) -> bytes:
    """Findings of one session (several when several models share its time), as bytes."""
    arrays: dict[str, ndarray] = {}
    return Bundle([_facts(one, arrays) for one in findings], arrays).pack()


def unpack(data: bytes) -> tuple[Finding, ...]:
    """What was packed."""
    bundle = Bundle.unpack(data)
    return tuple(_finding(facts, bundle.arrays) for facts in bundle.facts)


def _facts(finding: Finding, arrays: dict[str, ndarray]) -> dict[str, Any]:
    drawn = {score: _drawn_facts(one, arrays) for score, one in finding.drawn.items()}
    return {"session": finding.session.to_json(), "drawn": drawn}


def _finding(facts: Mapping[str, Any], arrays: Mapping[str, ndarray]) -> Finding:
    drawn = {score: _read_drawn(one, arrays) for score, one in facts["drawn"].items()}
    return Finding(SessionScores.from_json(facts["session"]), drawn)


def _drawn_facts(drawn: Drawn, arrays: dict[str, ndarray]) -> dict[str, Any]:
    kept = {kind: _rows_facts(getattr(drawn, kind), arrays) for kind in ("whole", "regions")}
    if drawn.gain is None:
        return {**kept, "lead": drawn.lead, "gain": None}
    subject, value, draws = drawn.gain
    return {**kept, "lead": drawn.lead, "gain": [subject, _put(arrays, _numbers(value)), _put(arrays, draws)]}


def _read_drawn(facts: Mapping[str, Any], arrays: Mapping[str, ndarray]) -> Drawn:
    whole, regions = (_read_rows(facts[kind], arrays) for kind in ("whole", "regions"))
    gain: Entry | None = None
    if facts["gain"] is not None:
        subject, value, draws = facts["gain"]
        gain = subject, Value(*arrays[value].tolist()), arrays[draws]
    return Drawn(whole, regions, facts["lead"], gain)


def _rows_facts(rows: Mapping[str, SessionDraws], arrays: dict[str, ndarray]) -> dict[str, Any]:
    return {
        name: {
            "subject": one.subject,
            "table": _put(arrays, np.stack([_numbers(getattr(one.table, f)) for f in STATISTICS])),
            "units": [one.table.units, one.table.silent],
            "draws": _put(arrays, np.stack([one.draws[f] for f in STATISTICS])),
        }
        for name, one in rows.items()
    }


def _read_rows(facts: Mapping[str, Any], arrays: Mapping[str, ndarray]) -> dict[str, SessionDraws]:
    found = {}
    for name, one in facts.items():
        values = {f: Value(*row.tolist()) for f, row in zip(STATISTICS, arrays[one["table"]])}
        units, silent = one["units"]
        draws = dict(zip(STATISTICS, arrays[one["draws"]]))
        found[name] = SessionDraws(one["subject"], Table(**values, units=units, silent=silent), draws)
    return found


def _numbers(value: Value) -> ndarray:
    return np.array([value.value, value.low, value.high])


def _put(arrays: dict[str, ndarray], array: ndarray) -> str:
    name = str(len(arrays))
    arrays[name] = array
    return name
