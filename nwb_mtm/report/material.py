"""Everything a page is made from, read from a run folder; what a run lacks is simply not there."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nwb_mtm.errors import RunError
from nwb_mtm.report import figures
from nwb_mtm.report.figures import Figures
from nwb_mtm.runs import RunFolder


@dataclass(frozen=True)
class Span:
    """A value with its 95 % interval; NaN where it is not known."""

    value: float
    low: float
    high: float

    def __bool__(self) -> bool:
        return math.isfinite(self.value)


MISSING = Span(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Material:
    """The files of a run, parsed."""

    name: str
    scores: Mapping[str, Any]
    sources: tuple[Mapping[str, Any], ...]
    command: str
    versions: Mapping[str, str]
    steps: tuple[Mapping[str, Any], ...]
    config: str
    figures: Mapping[str, Figures]

    @property
    def sessions(self) -> Mapping[str, Mapping[str, Any]]:
        """The scored sessions."""
        return mapping(self.scores, "sessions")

    @property
    def overall(self) -> Mapping[str, Mapping[str, Any]]:
        """One entry for each score: of the only session, or the mean over sessions.

        Each entry holds `model` and `baselines` as totals (of the scored units), `gain`, and `oracle` or nothing.
        """
        if len(self.sessions) == 1:
            only = next(iter(self.sessions.values()))
            return {name: _headline(entry) for name, entry in mapping(only, "scores").items()}
        return mapping(self.scores, "mean")


def read(run: Path) -> Material:
    """Read a run folder; only scores.json must be there."""
    folder = RunFolder(run)
    if not folder.scores.is_file():
        found = "there is no such folder" if not run.exists() else "it holds no scores.json"
        raise RunError(
            f"{run} is no finished run: {found}. Pass a folder that `nwb-mtm fit` made.", kind="not_a_run"
        )
    sources = _json(folder.sources) if folder.sources.is_file() else {}
    drawn = figures.load(folder.figures) if folder.figures.is_file() else ()
    scores = _json(folder.scores)
    return Material(
        name=run.resolve().name,
        scores=scores,
        sources=tuple(sources.get("sources", ())),
        command=str(sources.get("command") or ""),
        versions={**mapping(scores, "versions"), **mapping(sources, "versions")},
        steps=tuple(folder.read_steps()),
        config=folder.config.read_text(encoding="utf-8") if folder.config.is_file() else "",
        figures={one.session: one for one in drawn},
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


def _headline(entry: Mapping[str, Any]) -> dict[str, Any]:
    oracle = mapping(entry, "oracle").get("scored")
    return {
        **entry,
        "model": mapping(mapping(entry, "model"), "scored"),
        "baselines": {name: mapping(s, "scored") for name, s in mapping(entry, "baselines").items()},
        "oracle": oracle,
    }


def mapping(holder: Any, name: str) -> Mapping[str, Any]:
    """The object under a name; empty when it is missing or null."""
    found = holder.get(name) if isinstance(holder, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def span(holder: Any, *names: str) -> Span:
    """The value with its interval under a path of names.

    >>> span({"gain": {"value": 0.1, "low": 0.0, "high": None}}, "gain").low
    0.0
    """
    for name in names:
        holder = holder.get(name) if isinstance(holder, Mapping) else None
    if isinstance(holder, Mapping) and "value" in holder:
        return Span(*(number(holder.get(k)) for k in ("value", "low", "high")))
    return Span(number(holder), math.nan, math.nan)


def number(value: Any) -> float:
    """A float; NaN for what is no number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def numbers(values: Any) -> list[float]:
    """A list of floats; NaN for what is no number."""
    return [number(v) for v in values] if isinstance(values, Sequence) and not isinstance(values, str) else []
