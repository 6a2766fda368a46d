"""From a dandiset in an archive to a derivative dandiset on disk."""

from pathlib import Path

import pytest
from loopback import LoopbackArchive
from test_annotation import model, simulated

from nwb_mtm.annotation import check, read_predictions
from nwb_mtm.annotation.many import Outcome, annotate_all
from nwb_mtm.sources.resolution import SourceOptions

__all__ = ["model", "simulated"]


def test_a_dandiset_becomes_a_derivative(
    simulated: Path,  # noqa: F811
    model: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    with LoopbackArchive() as archive:
        archive.add("000409", f"sub-sim01/{simulated.name}", simulated, subject="sim01", session="a")
        archive.publish("000409", "0.230101.1234")
        options = SourceOptions(instance=archive.url, cache_dir=tmp_path / "cache", jobs=1)
        events = list(annotate_all(model, ["000409"], out=tmp_path / "derived", source_options=options))
        found = [event for event in events if isinstance(event, Outcome)]
        assert len(found) < len(events)  # how far the reading was
    assert [one.error for one in found] == [""]
    path = tmp_path / "derived" / "sub-sim01" / "sub-sim01_ses-a_desc-mtm_ecephys.nwb"
    assert check(path, source=simulated).passed
    card = (tmp_path / "derived" / "dandiset.yaml").read_text()
    assert "dcite:IsDerivedFrom" in card
    assert "000409/0.230101.1234" in card
    facts = read_predictions(path).provenance
    assert facts["source.dandiset"] == "000409"
    assert facts["source.etag"]
    assert str(tmp_path) not in " ".join(facts.values())


@pytest.mark.slow
def test_several_files_at_once(simulated: Path, model: Path, tmp_path: Path) -> None:  # noqa: F811
    import shutil

    folder = tmp_path / "in"
    shutil.copytree(simulated.parents[1], folder)
    (folder / "broken.nwb").write_bytes(b"")
    events = list(annotate_all(model, [str(folder)], out=tmp_path / "out", jobs=2))
    found = [event for event in events if isinstance(event, Outcome)]
    assert sorted(one.kind for one in found) == ["", "empty_file"]
