"""The commands that annotate files and check them."""

import json
import shutil
from pathlib import Path

import h5py
from click.testing import CliRunner
from nwb_mtm_cli.main import group
from test_annotation import model, simulated

from nwb_mtm.annotation.many import Outcome, _sidecar

__all__ = ["model", "simulated"]


def test_annotate_then_check_then_tamper(
    simulated: Path,  # noqa: F811
    model: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    source = Path(shutil.copy(simulated, tmp_path / "session.nwb"))
    runner = CliRunner()
    done = runner.invoke(group, ["annotate", str(model), str(source), "--what", "rates", "--json"])
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    written = Path(told["path"])
    assert written.name == "session_desc-mtm.nwb"
    assert runner.invoke(group, ["check", str(written)]).exit_code == 0
    belongs = runner.invoke(group, ["inspect", str(written), "--model", str(model)])
    assert "was annotated by model.safetensors" in belongs.output
    with h5py.File(written, "r+") as file:
        file["processing/ecephys/ReconstructedUnits/bps"][0] += 0.1
    tampered = runner.invoke(group, ["check", str(written), "--json"])
    assert tampered.exit_code == 1
    assert not json.loads(tampered.stdout)[0]["passed"]


def test_a_file_that_fails_does_not_stop_the_rest(
    simulated: Path,  # noqa: F811
    model: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    source = Path(shutil.copy(simulated, tmp_path / "session.nwb"))
    broken = tmp_path / "broken.nwb"
    broken.write_bytes(b"")
    done = CliRunner().invoke(group, ["annotate", str(model), str(broken), str(source), "--what", "rates"])
    assert done.exit_code == 1
    assert "1 of 2 files annotated" in done.output
    assert (tmp_path / "session_desc-mtm.nwb").is_file()


def test_what_failed_is_said_once_with_the_way_out_and_a_sidecar_as_asked() -> None:
    failed = Outcome("a.nwb", error="a_desc-mtm.nwb exists already in data.", kind="exists")
    assert failed.row()[1] == "failed"
    assert failed.line() == (
        "a.nwb: a_desc-mtm.nwb exists already in data. "
        "Write elsewhere with -o FOLDER, or pass -e overwrite (or -e skip)."
    )
    assert _sidecar("as asked") == "a sidecar, as asked"
    assert _sidecar("the store is Zarr") == "a sidecar, because the store is Zarr"
