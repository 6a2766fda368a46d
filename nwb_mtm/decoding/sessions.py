"""Decoding over several sessions: subjects and sessions are what is resampled, never trials."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nwb_mtm.decoding.results import Decoding
from nwb_mtm.intervals import interval, subject_draws, value_json

KEYS = ("target", "features", "region", "metric")


def across_sessions(decodings: Sequence[Decoding], *, seed: int = 0) -> list[dict[str, Any]]:
    """The mean over sessions of every figure that two sessions or more have."""
    found: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for subject, row in _rows(decodings):
        found.setdefault(tuple(row[k] for k in KEYS), []).append((subject, row["value"]))
    return [_mean(key, values, seed) for key, values in sorted(found.items()) if len(values) > 1]


def _rows(decodings: Sequence[Decoding]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every defined figure with its subject; a path in a file is cut to the series' own name."""
    for one in decodings:
        for row in one.rows():
            if row["value"] is not None:
                yield one.session.split("/", 1)[0], {**row, "target": row["target"].rsplit("/", 1)[-1]}


def _mean(key: tuple[str, ...], values: Sequence[tuple[str, float]], seed: int) -> dict[str, Any]:
    subjects, figures = [s for s, _ in values], np.array([v for _, v in values])
    weights = subject_draws(subjects, seed=seed)
    drawn = weights @ figures / np.maximum(weights.sum(axis=1), 1e-12)
    count = len(set(subjects))
    mean = interval(float(figures.mean()), drawn, units=count if count > 1 else len(values), recentre=False)
    numbers = {"sessions": len(values), "subjects": count, "each": figures.tolist()}
    return {**dict(zip(KEYS, key)), **value_json(mean), **numbers}
