"""Names that are none, names in other spellings, and names that are kin."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwb_mtm.regions import clean, is_context, is_null, merge, without_layer

NONE = ["", "nan", "None", "N/A", "unknown", "Unknown", "Unresolved", "void", "out-of-atlas", "no description", "-"]


@pytest.mark.parametrize("label", [*NONE, "See electrode locations", "No Area", " n/a "])
def test_the_many_spellings_of_none_are_unknown(label: str) -> None:
    assert is_null(label)
    assert clean(label) == "unknown"


@pytest.mark.parametrize("label", ["CA1", "left ALM", "Right Hippocampus", "NA core", "Field CA3", "VISp2/3", "root"])
def test_names_keep_their_case_and_side(label: str) -> None:
    assert clean(f"  {label} ") == label


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ('{"brain_regions": "left ALM", "depth": "1"}', "left ALM"),
        ('{"brain_regions": "left ALM, left Striatum"}', "unknown"),
        ('{"brain_area": ["M1"]}', "M1"),
        ('{"depth": 3}', "unknown"),
        ("brain_region: Thalamus; brain_subregion: N/A; hemisphere: left", "Thalamus"),
        ("{not json", "{not json"),
    ],
)
def test_a_structured_name_counts_when_it_names_one_region(raw: str, name: str) -> None:
    assert clean(raw) == name


@pytest.mark.parametrize("label", ["root", "grey", "fiber tracts", "ccb", "alv", "unknown", ""])
def test_what_is_not_grey_is_context(label: str) -> None:
    assert is_context(label)


@pytest.mark.parametrize("label", ["CA1", "OR", "FI", "VISp", "unknown area of interest"])
def test_regions_are_no_context(label: str) -> None:
    assert not is_context(label)


@pytest.mark.parametrize(
    ("label", "merged"),
    [
        ("VISp2/3", "VISp"),
        ("VISa1", "VISa"),
        ("PL5", "PL"),
        ("SSp-bfd6a", "SSp-bfd"),
        ("hippocampus_left", "hippocampus"),
        ("left ALM", "ALM"),
        ("Right Amygdala", "Amygdala"),
        ("CA1", "CA1"),
        ("Area2", "Area2"),
        ("V1", "V1"),
        ("unknown", "unknown"),
    ],
)
def test_merging_joins_sides_and_layers_alone(label: str, merged: str) -> None:
    assert merge(label) == merged


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=30))
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    assert clean(clean(raw)) == clean(raw)
    assert without_layer(without_layer(raw)) == without_layer(without_layer(without_layer(raw)))
