"""The scores that are written are the scores that are read, and nothing in them is NaN."""

import csv
import io
import json
import math
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from poisson import toy

from nwb_mtm.errors import RunError
from nwb_mtm.evaluation.activity import Options
from nwb_mtm.evaluation.scoring import evaluate
from nwb_mtm.evaluation.tables import headline, session_rows, table_rows, to_csv, unit_rows, write_scores
from nwb_mtm.intervals import Value
from nwb_mtm.scores import Scores


@pytest.fixture(scope="module")
def scores() -> Scores:
    one = toy(units=14, seconds=150.0)
    options = Options(draws=50, baselines=("constant", "drift", "ridge"), by=("choice",))
    return evaluate(None, one.windows, options=options, recordings={one.windows.session: one.recording})


def test_what_is_written_follows_the_schema(scores: Scores) -> None:
    schema = json.loads(files("nwb_mtm").joinpath("scores.schema.json").read_text(encoding="utf-8"))
    written = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    jsonschema.validate(written, schema)


def test_what_is_written_can_be_read(scores: Scores) -> None:
    again = Scores.from_json(json.loads(json.dumps(scores.to_json())))
    assert again.to_json() == scores.to_json()


def test_another_format_is_refused() -> None:
    with pytest.raises(RunError, match="format 99"):
        Scores.from_json({"format": 99})


def test_a_file_without_scores_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(RunError):
        Scores.load(tmp_path)


def test_a_missing_file_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        Scores.load(tmp_path / "none.json")


def test_missing_numbers_are_null_and_come_back_as_nan() -> None:
    from nwb_mtm.intervals import read_value, value_json

    assert value_json(Value(math.nan)) == {"value": None, "low": None, "high": None}
    assert math.isnan(read_value(value_json(Value(math.nan))).value)


def test_one_line_for_every_score(scores: Scores) -> None:
    assert [line.split(":")[0] for line in headline(scores)] == [
        "co-smoothing",
        "forward",
        "inter-region",
        "intra-region",
    ]
    assert all("no model" in line for line in headline(scores))
    assert len(list(table_rows(scores))) == 4


def test_tidy_rows_hold_one_number_each(scores: Scores) -> None:
    rows = list(unit_rows(scores))
    keys = [(r["session"], r["score"], r["predictor"], r["null"], r["guard"], r["key"]) for r in rows]
    assert len(set(keys)) == len(keys)
    assert {r["guard"] for r in rows} == {"none", "guarded"}
    assert {r["null"] for r in rows} == {"test", "train"}


def test_rows_of_sessions_hold_guarded_scores_and_the_ends_of_intervals(scores: Scores) -> None:
    rows = list(session_rows(scores))
    keys = [(r["session"], r["score"], r["predictor"], r["guard"], r["rows"]) for r in rows]
    assert len(set(keys)) == len(keys)
    assert {r["guard"] for r in rows} == {"none", "guarded"}
    assert all(r["bps_pooled_low"] <= r["bps_pooled"] <= r["bps_pooled_high"] for r in rows if r["units"])


def test_csv_has_a_header_and_no_nan(scores: Scores) -> None:
    text = to_csv(session_rows(scores))
    read = list(csv.DictReader(io.StringIO(text)))
    assert len(read) == len(list(session_rows(scores)))
    assert "nan" not in text


def test_tables_for_pandas(scores: Scores) -> None:
    pytest.importorskip("pandas", reason="needs the pandas extra")
    assert {"session", "score", "predictor", "rows", "bps_pooled"} <= set(scores.to_pandas().columns)
    assert scores.units_to_pandas().shape[0] == len(list(unit_rows(scores)))


def test_files_are_written_once(scores: Scores, tmp_path: Path) -> None:
    paths = write_scores(scores, tmp_path)
    assert [p.name for p in paths] == ["scores.json", "scores.csv", "units.csv"]
    with pytest.raises(RunError) as caught:
        write_scores(scores, tmp_path)
    assert caught.value.kind == "exists"
    assert write_scores(scores, tmp_path, existing="skip") == ()
    assert Scores.load(tmp_path).to_json() == scores.to_json()


def test_notebooks_show_the_headline(scores: Scores) -> None:
    assert "<li>co-smoothing" in scores._repr_html_()
    assert "co-smoothing" in repr(scores)
