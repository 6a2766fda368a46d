"""`inspect` shows tables to people, one JSON object to machines, and errors on stderr with exit code 1."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
from click.testing import CliRunner
from nwb_mtm_cli.inspect import command
from zoo import build, mismatches

KEYS = {
    "source", "status", "error", "warnings", "session", "subject", "backend", "time_range",
    "units", "trials", "intervals", "behaviors", "observed",
}  # fmt: skip


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(a) for a in arguments], env={"COLUMNS": "80"})
    return result.exit_code, result.stdout, result.stderr


def test_one_source_is_one_object_with_exactly_the_keys(tmp_path: Path) -> None:
    path, _ = build("ibl_000409", tmp_path)
    code, out, _ = run(path, "--json")
    answer = json.loads(out)
    assert code == 0
    assert set(answer) == KEYS
    assert set(answer["units"]) == {
        "path", "count", "ids", "spike_counts", "regions", "region_rule", "quality", "heldout",
    }  # fmt: skip
    assert set(answer["trials"]) == {"path", "count", "valid", "dropped", "events", "targets", "not_targets"}
    for series in answer["behaviors"].values():
        assert set(series) == {"shape", "rate", "t_start", "t_stop", "nan_fraction", "usable", "note"}
    assert "NaN" not in out


def test_several_sources_are_a_list_and_one_error_is_exit_1(tmp_path: Path) -> None:
    good, _ = build("peak_row", tmp_path)
    bad, _ = build("web_page", tmp_path)
    code, out, _ = run(good, bad, tmp_path / "nothing.nwb", "--json")
    answers = json.loads(out)
    assert code == 1
    assert [answer["status"] for answer in answers] == ["ok", "error", "error"]
    assert [set(answer) for answer in answers] == [KEYS] * 3
    assert answers[1]["error"]["kind"] == "not_hdf5"
    assert "HTML" in answers[1]["error"]["message"]


def test_a_link_to_nowhere_is_a_pointer(tmp_path: Path) -> None:
    path, _ = build("annex_link", tmp_path)
    code, out, _ = run(path, "--json")
    assert code == 1
    assert json.loads(out)["error"]["kind"] == "git_annex_pointer"


def test_tables_fit_80_columns_and_say_what_matters(tmp_path: Path) -> None:
    path, _ = build("map_000363", tmp_path)
    code, out, _ = run(path, "--region-level", "merged")
    assert code == 0
    body = [line for line in out.splitlines() if not line.startswith("/")]  # the path may be long
    assert max(map(len, body)) <= 80
    for told in ("ALM", "unit_column", "photostim_power (10", "fit would use", "go_start_times"):
        assert told in out, told


def test_an_error_is_one_sentence_on_stderr(tmp_path: Path) -> None:
    path, _ = build("truncated", tmp_path)
    code, out, err = run(path)
    assert code == 1
    assert out.strip() == ""
    assert err.startswith("Error: ")
    assert "download it again" in err


def test_conditions_and_tables_are_options(tmp_path: Path) -> None:
    path, _ = build("human_000207", tmp_path)
    code, out, _ = run(path, "--trials", "encoding_table", "--json")
    assert code == 0
    assert json.loads(out)["trials"]["path"] == "/intervals/encoding_table"
    code, out, _ = run(path, "--trials", "encodings", "--json")
    assert code == 1


def test_without_a_region_the_cure_is_named(tmp_path: Path) -> None:
    path, _ = build("giocomo_000053", tmp_path)
    _, out, _ = run(path)
    assert "--regions group" in out
    assert "--regions-from" in out


def test_inspect_runs_as_a_command(tmp_path: Path) -> None:
    path, _ = build("peak_row", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "nwb_mtm_cli", "inspect", str(path), "--json"],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"


def test_a_file_in_an_archive_is_looked_at_piece_by_piece(tmp_path: Path) -> None:
    from loopback import LoopbackArchive

    from nwb_mtm.sources.inspections import inspect_all
    from nwb_mtm.sources.reading import SourceOptions

    path, expected = build("map_000363", tmp_path)
    with LoopbackArchive() as archive:
        archive.add("000363", "sub-440956/sub-440956_ses-1.nwb", path, subject="440956", session="s1")
        options = SourceOptions(instance=archive.url, cache_dir=tmp_path / "cache")
        (found,) = inspect_all(["000363"], options=options)
    assert mismatches(found.to_json(), expected) == []


def test_a_condition_that_no_trial_meets_lists_the_values_of_its_column(tmp_path: Path) -> None:
    path, _ = build("map_000363", tmp_path)
    code, _, said = run(path, "--trials", "outcome == 'hitt'")
    assert code == 1
    assert "The condition \"outcome == 'hitt'\" chooses none of the" in said
    assert "outcome holds hit (" in said


def test_a_region_that_is_not_there_is_an_error_and_one_that_is_stands_alone(tmp_path: Path) -> None:
    path, expected = build("map_000363", tmp_path)
    code, _, said = run(path, "--regions", "nowhere")
    assert code == 1
    assert "No unit lies in nowhere. The regions are " in said
    first, other = list(dict.fromkeys(json.loads(run(path, "--json")[1])["units"]["regions"]))[:2]
    table = run(path, "--regions", first)[1].split("good:")[0]
    assert first in table
    assert other not in table


def test_a_sidecar_is_said_to_be_one_of_our_own(tmp_path: Path) -> None:
    path = tmp_path / "session_desc-mtm.nwb"
    with h5py.File(path, "w") as file:
        file.attrs.update({"nwb_version": "2.7.0", "neurodata_type": "NWBFile"})
        facts = file.create_group("processing/ecephys/ReconstructionProvenance")
        facts.attrs.update({"neurodata_type": "DynamicTable", "colnames": ["fact", "value"]})
        for name, values in (("fact", ["format", "source.name"]), ("value", ["1", "session.nwb"])):
            facts.create_dataset(name, data=values, dtype=h5py.string_dtype())
    code, _, said = run(path)
    assert code == 1
    assert "sidecar that nwb-mtm annotate wrote: it holds predictions for session.nwb" in said
