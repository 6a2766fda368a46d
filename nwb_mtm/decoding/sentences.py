"""What decodings and the map of regions say, a sentence each, from what scores.json holds of a session."""

from collections.abc import Iterator, Mapping
from typing import Any

from nwb_mtm.decoding.results import CLOCK, OWN

LEVEL = 0.05
METRICS = {"labels": "balanced_accuracy", "series": "r2"}
NAMES = {"balanced_accuracy": "balanced accuracy", "r2": "R2"}


def in_words(p: float | None, verdict: str) -> str:
    """One verdict from the null and from the clock.

    >>> in_words(0.005, "not shown to beat the clock")
    'above chance (p 0.005); not shown to beat the clock'
    >>> in_words(0.4, "better than the clock"), in_words(None, "better than the clock")
    ('not above chance (p 0.400)', 'better than the clock')
    """
    if p is None:
        return verdict
    if p > LEVEL:
        return f"not above chance (p {p:.3f})"
    joint = " and " if verdict == "better than the clock" else "; "
    return f"above chance (p {p:.3f}){joint + verdict if verdict else ''}"


def decoding_lines(session: Mapping[str, Any]) -> Iterator[str]:
    """One line for every decoded target (the best features beside the clock), and one for the map of regions."""
    for name, entry in (session.get("decoding") or {}).items():
        if isinstance(entry, Mapping) and entry.get("features"):
            yield f"{_last(name)}: {_target(entry)}"
        elif isinstance(entry, Mapping) and "status" in entry:
            yield f"{_last(name)}: not decoded, {entry['status']}"
    regions = session.get("regions") or {}
    if "edges" in regions:
        yield f"map of regions: {_map(regions)}"
    elif "reason" in regions:
        yield f"map of regions: none, {regions['reason']}"


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _target(entry: Mapping[str, Any]) -> str:
    metric, features = METRICS[entry["kind"]], entry["features"]
    own = [name for name in OWN if name in features]
    best = max(own, key=lambda name: _value(features[name][metric]), default=None)
    if best is None:
        return "only the clock was decoded from"
    found, clock = features[best], features.get(CLOCK)
    beside = f", the clock {_value(clock[metric]):.2f}" if clock else ""
    told = f"{best} best, {NAMES[metric]} {_value(found[metric]):.2f}{beside}"
    untested = "" if entry["status"] == "tested" else entry["status"]
    said = "; ".join(word for word in (in_words(found["p"], found["verdict"]), untested) if word)
    return f"{told}: {said}" if said else told


def _value(found: Mapping[str, Any]) -> float:
    return float("nan") if found["value"] is None else float(found["value"])


def _map(regions: Mapping[str, Any]) -> str:
    shown = [e for e in regions["edges"] if (e.get("lead") or {}).get("q") is not None and e["lead"]["q"] < LEVEL]
    pairs = ", ".join(f"{e['source']} leads {e['target']}" for e in shown)
    return f"{pairs or 'no region is shown to lead another'} (q < {LEVEL} of {regions['tests']} pairs)"
