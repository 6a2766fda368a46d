"""What a file holds, what a model would use of it, and why anything is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nwb_mtm.errors import NwbMtmError
from nwb_mtm.nwb.behavior import Survey, by_preference, survey
from nwb_mtm.nwb.columns import as_flags
from nwb_mtm.nwb.contents import MOST_BEHAVIORS, Contents, Trials, time_range
from nwb_mtm.nwb.gathering import gather
from nwb_mtm.nwb.observation import observed_by_all
from nwb_mtm.nwb.opening import open_source
from nwb_mtm.nwb.options import Prefetch, ReadOptions
from nwb_mtm.nwb.selecting import Kept, select
from nwb_mtm.nwb.targets import perturbations, twins, unperturbed

Json = dict[str, Any]


@dataclass(frozen=True)
class Inspection:
    """One source, looked at; `to_json()` is what machines get, the rest is for people."""

    source: str
    answer: Json
    kept: tuple[Kept, ...] = ()
    quality_rule: str = ""
    groups: tuple[str, ...] = ()
    electrodes: tuple[int, ...] = ()
    regions: tuple[str, ...] = ()  # at the level asked for
    region_level: str = "raw"
    perturbations: Mapping[str, int] = field(default_factory=dict)
    twins: Mapping[str, str] = field(default_factory=dict)  # targets that say the same as another
    unperturbed: str = ""  # what --trials takes to leave them out
    inputs: int = 0
    headline: int = 0
    unselected: int = 0
    preferred: tuple[str, ...] = ()  # behaviours that are read unless others are named

    @property
    def status(self) -> str:
        """ok, warning or error."""
        return str(self.answer["status"])

    def to_json(self) -> Json:
        """One object with the documented keys; missing values are None, never NaN."""
        return self.answer


def inspect(
    source: Any,
    selection: ReadOptions | None = None,
    *,
    deep: bool = False,
    name: str | None = None,
    prefetch: Prefetch | None = None,
) -> Inspection:
    """Look at a source; what is wrong with it is part of the answer, not an exception."""
    options = selection or ReadOptions()
    shown = name or _shown(source)
    try:
        with open_source(source, name=name) as opened:
            return _inspected(gather(opened, options, prefetch), options, shown, deep)
    except NwbMtmError as error:
        return Inspection(shown, error_answer(shown, error))


def _shown(source: Any) -> str:
    return (
        str(source)
        if isinstance(source, str) or hasattr(source, "__fspath__")
        else str(getattr(source, "name", "") or "")
    )


def _inspected(contents: Contents, options: ReadOptions, shown: str, deep: bool) -> Inspection:
    chosen = select(contents, options)
    surveys = tuple(survey(c, contents.span, local=contents.opened.local, deep=deep) for c in contents.candidates)
    _warn_of_behavior(surveys, contents)
    return Inspection(
        source=shown,
        answer=_answer(contents, surveys, shown),
        kept=chosen.kept,
        quality_rule=contents.quality_rule,
        groups=chosen.units.groups,
        electrodes=tuple(chosen.units.electrodes.tolist()),
        regions=chosen.units.regions,
        region_level=chosen.region_level,
        perturbations={} if contents.trials is None else perturbations(contents.trials.intervals),
        twins={} if contents.trials is None else twins(contents.trials.targets, contents.trials.intervals),
        unperturbed="" if contents.trials is None else unperturbed(contents.trials.intervals),
        inputs=int(chosen.units.inputs.sum()),
        headline=int(chosen.units.scored.sum()),
        unselected=len(chosen.unselected),
        preferred=_preferred(surveys),
    )


def _warn_of_behavior(surveys: tuple[Survey, ...], contents: Contents) -> None:
    for looked in surveys:
        if "the spikes from" in looked.note:
            contents.warnings.add("clock_mismatch", f"{looked.candidate.path} {looked.note}.")
        elif looked.usable and "sampling period" in looked.note:
            contents.warnings.add("period_for_rate", f"{looked.candidate.path}: {looked.note}.")


def _preferred(surveys: tuple[Survey, ...]) -> tuple[str, ...]:
    usable = [looked.candidate for looked in surveys if looked.usable]
    return tuple(candidate.path for candidate in by_preference(usable)[:MOST_BEHAVIORS])


def error_answer(shown: str, error: NwbMtmError) -> Json:
    """The object of a source that cannot be read: every key, and the reason."""
    blank: Json = dict.fromkeys(
        ["session", "subject", "backend", "time_range", "units", "trials", "intervals", "behaviors", "observed"]
    )
    said = {"kind": error.kind, "message": str(error)}
    return {
        "source": shown,
        "status": "error",
        "error": said,
        "warnings": [],
        **blank,
        "intervals": {},
        "behaviors": {},
    }


def _answer(contents: Contents, surveys: tuple[Survey, ...], shown: str) -> Json:
    span = time_range(contents.spikes)
    common = observed_by_all(contents.observed)
    warnings = [{"kind": kind, "message": message} for kind, message in contents.warnings.found]
    return {
        "source": shown,
        "status": "warning" if warnings else "ok",
        "error": None,
        "warnings": warnings,
        "session": contents.text("general/session_id"),
        "subject": contents.text("general/subject/subject_id"),
        "backend": contents.opened.backend,
        "time_range": None if span is None else list(span),
        "units": _units(contents),
        "trials": None if contents.trials is None else _trials(contents.trials),
        "intervals": dict(contents.interval_counts),
        "behaviors": {looked.candidate.path: _behavior(looked) for looked in surveys},
        "observed": None if common is None else common.tolist(),
    }


def _units(contents: Contents) -> Json:
    place = contents.placement
    heldout = contents.columns.get("heldout")
    return {
        "path": contents.table.path,
        "count": contents.table.count,
        "ids": [_number(i) for i in contents.table.ids()],
        "spike_counts": contents.spikes.counts.tolist(),
        "regions": list(place.regions),
        "region_rule": list(place.rules),
        "quality": [None if q is None else bool(q) for q in contents.quality],
        "heldout": None if heldout is None else as_flags(heldout).tolist(),
    }


def _trials(trials: Trials) -> Json:
    dropped = [{"row": row, "reason": reason} for row, reason in trials.intervals.dropped]
    return {
        "path": trials.intervals.path,
        "count": trials.count,
        "valid": trials.count - len(dropped),
        "dropped": dropped,
        "events": list(trials.intervals.events),
        "targets": {t.name: {"classes": list(t.classes), "counts": list(t.counts)} for t in trials.targets},
        "not_targets": dict(trials.not_targets),
    }


def _behavior(looked: Survey) -> Json:
    return {
        "shape": list(looked.candidate.shape),
        "rate": _number(looked.clock.rate),
        "t_start": _number(looked.clock.start),
        "t_stop": _number(looked.clock.stop),
        "nan_fraction": _number(looked.nan_fraction),
        "usable": looked.usable,
        "note": looked.note,
    }


def _number(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
