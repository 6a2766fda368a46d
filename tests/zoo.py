"""The zoo: a small file for every family of dandisets and every trap, with the answers of `inspect`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zoo_broken
import zoo_hippocampus
import zoo_humans
import zoo_places
import zoo_primates
import zoo_rodents
import zoo_times

Maker = Callable[[Path], dict[str, Any]]
ANIMALS: Mapping[str, Maker] = {
    maker.__name__: maker
    for house in (zoo_rodents, zoo_hippocampus, zoo_primates, zoo_humans, zoo_places, zoo_times, zoo_broken)
    for maker in house.ANIMALS
}


def build(name: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Make one file of the zoo; its path and the expected answer (a part of the whole)."""
    path = folder / f"{name}.nwb"
    return path, ANIMALS[name](path)


def mismatches(answer: Any, expected: Any, where: str = "") -> list[str]:
    """Where an answer differs from what is expected of it; keys that are not expected may be anything."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        exact = where.endswith((".targets", ".intervals"))
        extra = (
            [f"{where}: {sorted(set(answer) - set(expected))} are not expected"]
            if exact and set(answer) - set(expected)
            else []
        )
        return extra + [
            m
            for key, value in expected.items()
            for m in mismatches(answer.get(key, "missing"), value, f"{where}.{key}")
        ]
    if where == ".warnings":
        kinds = {warning["kind"] for warning in answer}
        return [f"warnings are {sorted(kinds)}, not {expected}"] if not set(expected) <= kinds else []
    if isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        return [m for i, (a, e) in enumerate(zip(answer, expected)) for m in mismatches(a, e, f"{where}[{i}]")]
    same = answer == (pytest.approx(expected, rel=1e-9, abs=1e-6) if isinstance(expected, float) else expected)
    return [] if same else [f"{where} is {answer!r}, not {expected!r}"]
