"""Region names: which are no name at all, which are no grey matter, and how they roll up."""

NULLS = frozenset(
    ["", "nan", "none", "n/a", "na", "null", "unknown", "unresolved", "void", "out-of-atlas", "no description", "no area"]
    + ["see electrode locations", "-", "--", "?", "unspecified", "undefined"]
)
NON_GREY = frozenset(["root", "grey", "fiber tracts", "fibre tracts", "ccb", "alv", "white matter", "basic cell groups and regions"])


def is_null(label: str) -> bool:
    """Whether a label is one of the many spellings of "no region".

    >>> is_null(" N/A "), is_null("CA1")
    (True, False)
    """
    return label.strip().casefold() in NULLS


def is_context(label: str) -> bool:
    """Whether a label is never masked or scored as a region (unknown, or not grey matter)."""
    return is_null(label) or label.strip().casefold() in NON_GREY
