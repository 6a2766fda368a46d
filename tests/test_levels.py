"""Levels of region names: the finest that leaves groups large enough; kin are found."""

from pathlib import Path

import pytest

from nwb_mtm.errors import ConfigError
from nwb_mtm.levels import at_level, choose_level, load_atlas, related, with_level, with_one_level
from nwb_mtm.recording import Recording


def test_auto_takes_the_finest_level_with_groups_large_enough() -> None:
    assert choose_level([["CA1"] * 60 + ["DG"] * 60]) == "raw"
    assert choose_level([["VISp1", "VISp4", "VISp5", "VISp6a"] * 4 + ["CA1"] * 6]) == "merged"


def test_few_units_need_smaller_groups() -> None:
    assert choose_level([["CA1"] * 6 + ["DG"] * 6]) == "raw"
    assert choose_level([["VISp1"] * 6 + ["VISp5"] * 6 + ["CA1"] * 100]) == "raw"  # 100 of 112 are in a large group


def test_unknown_units_have_no_vote() -> None:
    assert choose_level([["unknown"] * 500 + ["root"] * 50 + ["CA1"] * 20]) == "raw"


def test_a_table_of_names_is_a_level(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("CA1,HPC\nCA3,HPC\n")
    assert at_level(["CA1", "CA3", "V1"], str(tmp_path / "names.csv")) == ("HPC", "HPC", "V1")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigError, match="none of raw"):
        at_level(["CA1"], "layers")


def test_full_names_and_acronyms_meet() -> None:
    pytest.importorskip("iblatlas")
    assert at_level(["Field CA3", "CA3", "VISp2/3", "TH", "my own name"], "beryl") == (
        "CA3",
        "CA3",
        "VISp",
        "TH",
        "my own name",
    )
    assert at_level(["LGd-sh", "TH", "root", "unknown"], "cosmos") == ("TH", "TH", "root", "unknown")


def test_kin_are_parents_children_and_layers() -> None:
    others = ["VIS", "VISp2/3", "VISp5", "VISl", "CA1", "unknown", "root"]
    assert related("VISp", others) == {"VIS", "VISp2/3", "VISp5"}
    assert related("CA1", ["CA", "CA3", "left CA1"]) == {"CA"}


def test_the_atlas_knows_kin_by_ancestry() -> None:
    pytest.importorskip("iblatlas")
    assert related("TH", ["LGd", "Field CA3", "PO"], atlas=load_atlas()) == {"LGd", "PO"}
    assert related("CA3", ["Field CA3"], atlas=load_atlas()) == {"Field CA3"}


def test_a_recording_changes_its_level_and_keeps_the_raw_names() -> None:
    recording = Recording.from_arrays([[0.1], [0.2]], session="s", regions=["VISp2/3", "VISp5"])
    merged = with_level(recording, "merged")
    assert merged.units.regions == ("VISp", "VISp")
    assert merged.units.raw_regions == ("VISp2/3", "VISp5")
    assert merged.region_level == "merged"


def test_recordings_of_one_run_share_one_level() -> None:
    fine = Recording.from_arrays([[0.1]] * 12, session="a", regions=["VISp2/3"] * 6 + ["VISp5"] * 6)
    few = Recording.from_arrays([[0.1]] * 12, session="b", regions=["VISp1", "VISp4", "VISp5", "VISp6a"] * 3)
    assert [r.region_level for r in with_one_level([fine, few], "auto")] == ["merged", "merged"]
    assert [r.region_level for r in with_one_level([fine], "auto")] == ["raw"]
