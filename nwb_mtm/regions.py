"""Region names: which are no name at all, which are no grey matter, and how they are cleaned."""

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from nwb_mtm.errors import did_you_mean

UNKNOWN = "unknown"
GROUP = "group"  # in place of a region: probes and shanks are the regions

NULLS = frozenset(
    ["", "nan", "none", "n/a", "na", "null", "unknown", "unresolved", "no description", "no area", "no region"]
    + ["see electrode locations", "-", "--", "?", "unspecified", "undefined", "unlabelled", "unlabeled", "tbd"]
    + ["not available", "not applicable", "not specified", "not registered", "not recorded", "<na>", "n.a.", "[]", "{}"]
)
OUTSIDE = frozenset(["void", "out-of-atlas", "out of atlas", "out of brain", "outside brain", "outside of brain"])
NON_GREY = frozenset(
    [
        "root",
        "grey",
        "fiber tracts",
        "fibre tracts",
        "white matter",
        "basic cell groups and regions",
        "ventricular systems",
    ]
    + ["corpus callosum", "alveus", "fimbria", "cingulum bundle", "optic tract", "lateral ventricle", "third ventricle"]
)
TRACTS = frozenset(  # acronyms of the Allen atlas, in its own case: `fi` is the fimbria, `FI` may be anything
    ["ccb", "ccg", "ccs", "cc", "ccr", "alv", "fi", "fp", "or", "ar", "act", "aco", "int", "cing", "dhc", "scwm", "vhc"]
    + ["em", "ec", "bic", "bsc", "opt", "onl", "lot", "st", "sm", "mp", "fr", "cst", "cpd"]
)
LATERAL = re.compile(r"^(left|right)[ _-]+|[ _-]+(left|right)$|\s*\((left|right)\)$", re.IGNORECASE)
LAYER_NAME = re.compile(r",?\s+layers?\s+(1|2/3|2|3|4|5|6a|6b|6|[1-6]-[1-6])$", re.IGNORECASE)
LAYER = re.compile(r"^(?P<area>[A-Z]{2,5}[a-z]{0,3}(?:-[a-z]+)?)(1|2/3|2|3|4|5|6a|6b|6)$")
LAYERED = frozenset(
    ["ECT", "FRP", "GU", "ILA", "PERI", "PL", "VISC", "ACA", "ORB", "RSP", "VIS", "AUD", "SS", "MO", "PTL"]
)
JSON_KEYS = ("brain_regions", "brain_region", "brain_area", "region", "acronym", "location")
PAIR = re.compile(r"\s*([A-Za-z_ ]+?)\s*[:=]\s*([^;|]*?)\s*(?:[;|]|$)")


def is_null(label: str) -> bool:
    """Whether a label is one of the many spellings of "no region".

    >>> is_null(" N/A "), is_null("CA1")
    (True, False)
    """
    folded = " ".join(label.split()).casefold()
    return folded in NULLS or folded in OUTSIDE


def is_outside(label: str) -> bool:
    """Whether a label says that the place is known, and is not in the brain."""
    return " ".join(label.split()).casefold() in OUTSIDE


def is_context(label: str) -> bool:
    """Whether a label is never masked or scored as a region (unknown, or not grey matter)."""
    text = " ".join(label.split())
    return is_null(text) or text.casefold() in NON_GREY or text in TRACTS


def clean(raw: str) -> str:
    """The region's name, in the case it was written in; `unknown` for the many spellings of none.

    >>> clean(' CA1 '), clean("nan"), clean('{"depth": "-4900", "brain_regions": "left ALM"}')
    ('CA1', 'unknown', 'left ALM')
    """
    text = " ".join(raw.split()).strip("\"'").strip()
    if text[:1] in "{[":
        text = _from_json(text)
    elif ";" in text and ":" in text:
        text = _from_pairs(text)
    return UNKNOWN if is_null(text) else text


def _from_json(text: str) -> str:
    """The one region that a JSON string names; two or more are none."""
    try:
        parsed: Any = json.loads(text)
    except json.JSONDecodeError:
        return text
    return _only(_named_regions(parsed))


def _named_regions(parsed: Any) -> list[str]:
    if isinstance(parsed, list):
        return [name for item in parsed for name in _named_regions(item)]
    if isinstance(parsed, dict):
        for key in JSON_KEYS:
            if key in parsed:
                return _named_regions(parsed[key])
        return []
    return [part.strip() for part in str(parsed).split(",")]


def _from_pairs(text: str) -> str:
    """The region in `brain_region: Thalamus; hemisphere: left`."""
    pairs = {key.strip().casefold(): value.strip() for key, value in PAIR.findall(text)}
    named = next((pairs[key] for key in JSON_KEYS if key in pairs), None)
    return text if named is None else _only([part.strip() for part in named.split(",")])


def _only(names: Sequence[str]) -> str:
    known = list(dict.fromkeys(name for name in names if not is_null(name)))
    return known[0] if len(known) == 1 else ""


def without_side(label: str) -> str:
    """The name without left and right.

    >>> without_side("hippocampus_left"), without_side("left ALM"), without_side("leftover")
    ('hippocampus', 'ALM', 'leftover')
    """
    return LATERAL.sub("", label).strip() or label


def without_layer(label: str) -> str:
    """The cortical area without its layer.

    >>> without_layer("VISp2/3"), without_layer("CA1"), without_layer("Primary visual area layer 5")
    ('VISp', 'CA1', 'Primary visual area')
    """
    label = LAYER_NAME.sub("", label)
    found = LAYER.match(label)
    if found is None:
        return label
    area = found["area"]
    return area if area in LAYERED or any(c.islower() for c in area) else label


def merge(label: str) -> str:
    """Level `merged`: left and right together, and all layers of an area."""
    return label if is_null(label) else without_layer(without_side(label))


def lying_in(wanted: Collection[str], *names: Sequence[str]) -> list[bool]:
    """For every unit whether one of its names is wanted, or is a side or a layer of what is wanted.

    >>> lying_in(["hippocampus"], ["hippocampus_left", "amygdala_left"])
    [True, False]
    """
    return [any(name in wanted or merge(name) in wanted for name in unit) for unit in zip(*names)]


def none_lies_in(wanted: Sequence[str], regions: Sequence[str]) -> str:
    """That no unit lies in the wanted regions, with those there are.

    >>> none_lies_in(["CA11"], ["CA1", "CA1", "DG"])
    "No unit lies in CA11. Did you mean 'CA1'? The regions are CA1 (2 units), DG (1 unit)."
    """
    counts = Counter(regions).most_common()
    there = ", ".join(f"{name} ({n} unit{'' if n == 1 else 's'})" for name, n in counts)
    hint = next((found for name in wanted if (found := did_you_mean(name, dict(counts)))), "")
    return f"No unit lies in {' or '.join(wanted)}.{hint} The regions are {there}."
