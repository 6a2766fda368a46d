"""The quality rules of the files themselves: which units are good, and which are noise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from nwb_mtm.expressions import evaluate

Columns = Mapping[str, ndarray]
Verdict = tuple[bool | None, ...]

NOISE = frozenset(["noise", "artifact", "artefact", "artifacts", "artefacts", "garbage"])
LABELS = (
    "quality",
    "KSLabel",
    "kslabel",
    "kilosort2_label",
    "ks_label",
    "label",
    "group",
    "cluster_group",
    "quality_label",
)
LABELS_ALSO = ("unit_quality", "classification", "decoder_label", "bc_unitType", "phy_annotations")
GOOD = frozenset(["good", "sua", "single", "single unit", "single-unit", "su"])
OTHERS = frozenset(  # words that tell a column of quality from any other, when no unit of it is good
    [
        "mua",
        "multi",
        "multiunit",
        "multi-unit",
        "multi unit",
        "bad",
        "poor",
        "unsorted",
        "unlabelled",
        "non-somatic",
        *NOISE,
    ]
)
MISSING = frozenset(["", "nan", "none", "n/a", "null"])


@dataclass(frozen=True)
class Rule:
    """A rule in words, the columns it needs, and what it says of every unit."""

    text: str
    needs: tuple[str, ...]
    judge: Callable[[Columns], Verdict]


def auto_quality(columns: Columns) -> tuple[str, Verdict] | None:
    """The first known rule whose columns the file has; None when it has none."""
    for rule in RULES:
        if all(name in columns for name in rule.needs):
            verdict = rule.judge(columns)
            if any(v is not None for v in verdict):
                return rule.text, verdict
    return None


def judge_quality(quality: str, columns: Columns, count: int) -> tuple[str, Verdict]:
    """`auto`, `none`, or an expression on the units' columns."""
    if quality == "none":
        return "none", (None,) * count
    if quality == "auto":
        return auto_quality(columns) or ("none (no quality column)", (None,) * count)
    return quality, tuple(bool(v) for v in evaluate(quality, columns, where="the units table"))


def is_noise(columns: Columns, count: int) -> Bool[ndarray, " unit"]:
    """Units that the file labels as noise or artefact."""
    noise = np.zeros(count, bool)
    for name in (*LABELS, *LABELS_ALSO):
        values = columns.get(name)
        if values is not None and values.dtype.kind == "U":
            noise |= np.array([v.casefold() in NOISE for v in values.tolist()], bool)
    annotated = columns.get("phy_annotations")
    return noise if annotated is None else noise | (np.array(_numbers(annotated)) == 0)


def _label(name: str, good: frozenset[str] = GOOD) -> Rule:
    def judge(columns: Columns) -> Verdict:
        values = columns[name]
        if values.dtype.kind != "U":
            return (None,) * len(values)
        folded = [v.casefold() for v in values.tolist()]
        if not any(v in good or v in OTHERS for v in folded):
            return (None,) * len(values)
        return tuple(None if v in MISSING else v in good for v in folded)

    return Rule(f"{name} == 'good'" if good is GOOD else f"{name} == {'/'.join(sorted(good))!r}", (name,), judge)


def _number(name: str, text: str, passes: Callable[[float], bool]) -> Rule:
    def judge(columns: Columns) -> Verdict:
        return tuple(None if np.isnan(v) else passes(v) for v in _numbers(columns[name]))

    return Rule(text, (name,), judge)


def _numbers(values: ndarray) -> Sequence[float]:
    """Numbers, also those stored as text; NaN for what is none."""
    if values.dtype.kind in "biuf":
        return [float(v) for v in values.tolist()]
    return [_as_number(v) for v in values.tolist()]


def _as_number(text: str) -> float:
    known = {"true": 1.0, "false": 0.0}
    try:
        return known.get(text.casefold(), float("nan")) if text.casefold() in known else float(text)
    except ValueError:
        return float("nan")


def _allen(columns: Columns) -> Verdict:
    limits = zip(*(_numbers(columns[n]) for n in ("amplitude_cutoff", "presence_ratio", "isi_violations")))
    labels = [v.casefold() == "good" for v in columns["quality"].tolist()]
    return tuple(
        good and cutoff <= 0.1 and presence >= 0.95 and isi <= 0.5
        for good, (cutoff, presence, isi) in zip(labels, limits)
    )


def _both(columns: Columns) -> Verdict:
    sua = [str(v).casefold() == "sua" for v in columns["decoder_label"].tolist()]
    return tuple(a and b == 1 for a, b in zip(sua, _numbers(columns["default_qc"])))


RULES: tuple[Rule, ...] = (
    Rule(
        "quality == 'good' and amplitude_cutoff <= 0.1 and presence_ratio >= 0.95 and isi_violations <= 0.5",
        ("quality", "amplitude_cutoff", "presence_ratio", "isi_violations"),
        _allen,
    ),
    Rule("decoder_label == 'sua' and default_qc", ("decoder_label", "default_qc"), _both),
    _number("ibl_quality_score", "ibl_quality_score == 1", lambda v: v == 1),
    _number("default_qc", "default_qc", lambda v: v == 1),
    _label("decoder_label", frozenset(["sua"])),
    _label("classification"),
    _label("quality"),
    _label("unit_quality"),
    _label("quality_label"),
    _number("phy_annotations", "phy_annotations >= 2", lambda v: v >= 2),
    _label("KSLabel"),
    _label("kilosort2_label"),
    _label("ks_label"),
    _label("cluster_group"),
    _label("group"),
    _label("label"),
    _number("label", "label == 1", lambda v: v == 1),
    _label("bc_unitType"),
)
