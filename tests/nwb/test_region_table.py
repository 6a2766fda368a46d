"""Regions from a table of the user's go before all rules; keys that are unknown or repeated are refused."""

from pathlib import Path

import pytest
from zoo_bricks import Ragged, electrodes, start, trains, units

from nwb_mtm.errors import ConfigError
from nwb_mtm.sources.reading import read


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "session.nwb"
    with start(path) as f:
        electrodes(f, ["V1", "V1", "unknown"], ["probe", "probe", "probe"], ids=[10, 11, 12], rel_y=[0.0, 100.0, 200.0])
        rows = Ragged([[0], [1], [2]], region="/general/extracellular_ephys/electrodes")
        units(f, trains(3), ids=[5, 6, 7], electrodes=rows)
    return path


@pytest.mark.parametrize(
    "table",
    [
        "unit_row,region\n1,CA1\n2,CA3\n",
        "unit_id,region\n6,CA1\n7,CA3\n",
        "electrode_row,region\n1,CA1\n2,CA3\n",
        "electrode_id,region\n11,CA1\n12,CA3\n",
        "group,depth_from,depth_to,region\nprobe,50,150,CA1\nprobe,150,900,CA3\n",
    ],
)
def test_a_table_places_units(session: Path, tmp_path: Path, table: str) -> None:
    (tmp_path / "histology.csv").write_text(table)
    placed = read(session, regions_from=tmp_path / "histology.csv").units
    assert placed.regions == ("V1", "CA1", "CA3")
    assert placed.region_rules == ("electrodes", "regions_from", "regions_from")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("unit_row,region\n1,CA1\n1,CA3\n", "twice"),
        ("unit_row,region\n9,CA1\n", "does not have"),
        ("unit_id,region\n9,CA1\n", "does not have"),
        ("unit_row,name\n1,CA1\n", "names no regions"),
        ("row,region\n1,CA1\n", "first line names the columns"),
        ("unit_row,region\nx,CA1\n", "no number"),
        ("group,depth_from,depth_to,region\nshank,0,1,CA1\n", "names the group"),
        ("group,depth_from,depth_to,region\nprobe,0,150,CA1\nprobe,50,200,CA3\n", "overlapping"),
        ("group,depth_from,depth_to,region\nprobe,a,b,CA1\n", "no number"),
    ],
)
def test_a_table_with_a_mistake_is_refused(session: Path, tmp_path: Path, table: str, told: str) -> None:
    (tmp_path / "histology.csv").write_text(table)
    with pytest.raises(ConfigError, match=told):
        read(session, regions_from=tmp_path / "histology.csv")


def test_ids_that_occur_twice_cannot_be_keys(tmp_path: Path) -> None:
    with start(tmp_path / "s.nwb") as f:
        units(f, trains(2), ids=[1, 1])
    (tmp_path / "t.csv").write_text("unit_id,region\n1,CA1\n")
    with pytest.raises(ConfigError, match="not unique"):
        read(tmp_path / "s.nwb", regions_from=tmp_path / "t.csv")
