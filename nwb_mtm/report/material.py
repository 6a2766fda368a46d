"""Everything a page is made from, read from a run folder; what a run lacks is simply not there."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.tallies import verdict
from nwb_mtm.intervals import Value
from nwb_mtm.report import figures
from nwb_mtm.report.figures import Figures
from nwb_mtm.runs import RunFolder
from nwb_mtm.scores import Activity, MeanScore, Scores, Table


@dataclass(frozen=True)
class Overall:
    """One score of the whole run: of its only session, or the mean over sessions."""

    model: Table | None
    baselines: Mapping[str, Table]
    gain: Value
    oracle: Table | None = None
    against: str = ""
    verdict: str = "not scored"
    windows_to_tell: int | None = None
    guarded: Mapping[str, Table] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Material:
    """The files of a run, parsed."""

    name: str
    scores: Scores
    sources: tuple[Mapping[str, Any], ...]
    skipped: tuple[Mapping[str, Any], ...]
    command: str
    versions: Mapping[str, str]
    steps: tuple[Mapping[str, Any], ...]
    config: str
    figures: Mapping[str, Figures]
    openings: tuple[Mapping[str, Any], ...] = ()  # every time that test windows were scored

    @property
    def overall(self) -> Mapping[str, Overall]:
        """One entry for each score."""
        if len(self.scores.sessions) == 1:
            only = next(iter(self.scores.sessions.values()))
            return {name: _of_session(activity) for name, activity in only.scores.items()}
        sessions = self.scores.sessions.values()
        oracles = {name: _mean_oracle([s.scores.get(name) for s in sessions]) for name in self.scores.mean}
        return {name: _of_mean(mean, oracles[name]) for name, mean in self.scores.mean.items()}


def read(run: Path) -> Material:
    """Read a run folder; only scores.json (or, when nothing was scored, the model) must be there."""
    folder = RunFolder(run)
    if not folder.scores.is_file() and not folder.model.is_file():
        found = "there is no such folder" if not run.exists() else "it holds no scores.json"
        raise RunError(f"{run} is no finished run: {found}. Pass a folder that `nwb-mtm fit` made.", kind="not_a_run")
    sources = _json(folder.sources) if folder.sources.is_file() else {}
    drawn = figures.load(folder.figures) if folder.figures.is_file() else ()
    scores = Scores.load(folder.scores) if folder.scores.is_file() else Scores("", {}, "", {}, {})
    return Material(
        name=run.resolve().name,
        scores=scores,
        sources=tuple(sources.get("sources", ())),
        skipped=tuple(sources.get("skipped", ())),
        command=str(sources.get("command") or ""),
        versions={**mapping(sources, "versions"), **scores.versions},
        steps=tuple(folder.read_steps()),
        config=folder.config.read_text(encoding="utf-8") if folder.config.is_file() else "",
        figures={one.session: one for one in drawn},
        openings=tuple(folder.read_openings()),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path.name} cannot be read: {error}. Write it again with `evaluate`.", kind="not_a_run"
        ) from error
    if not isinstance(content, dict):
        raise RunError(f"{path.name} holds no object. Write it again with `evaluate`.", kind="not_a_run")
    return content


def _of_session(found: Activity) -> Overall:
    return Overall(
        model=found.model.scored if found.model else None,
        baselines={name: each.scored for name, each in found.baselines.items()},
        gain=found.gain,
        oracle=found.oracle.scored if found.oracle else None,
        against=found.against,
        verdict=found.verdict,
        windows_to_tell=found.windows_to_tell,
        guarded={name: each.scored for name, each in found.guarded.items()},
        notes=found.notes,
    )


def _mean_oracle(activities: Sequence[Activity | None]) -> Table | None:
    """What the true rates score on average, when they are known for every session."""
    pooled = [a.oracle.scored.bps_pooled.value for a in activities if a is not None and a.oracle is not None]
    return Table(bps_pooled=Value(sum(pooled) / len(pooled))) if pooled and len(pooled) == len(activities) else None


def _of_mean(found: MeanScore, oracle: Table | None) -> Overall:
    return Overall(found.model, found.baselines, found.gain, oracle=oracle, verdict=verdict(found.gain))


def known(value: Value) -> bool:
    """Whether there is a number."""
    return math.isfinite(value.value)


def mapping(holder: Any, name: str) -> Mapping[str, Any]:
    """The object under a name; empty when it is missing or null."""
    found = holder.get(name) if isinstance(holder, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def value(holder: Any) -> Value:
    """The value with its interval that plain JSON holds.

    >>> value({"value": 0.1, "low": 0.0, "high": None}), value(None)
    (Value(value=0.1, low=0.0, high=nan), Value(value=nan, low=nan, high=nan))
    """
    if isinstance(holder, Mapping):
        return Value(*(number(holder.get(name)) for name in ("value", "low", "high")))
    return Value(number(holder))


def number(value: Any) -> float:
    """A float; NaN for what is no number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def numbers(values: Any) -> list[float]:
    """A list of floats; NaN for what is no number."""
    return [number(v) for v in values] if isinstance(values, Sequence) and not isinstance(values, str) else []
