"""The page of a run: what it says, what it never holds, and what it does without."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report.fake_run import fake_run

from nwb_mtm import report
from nwb_mtm.errors import RunError

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Notes what is open, the ids and the addresses; an end tag that closes nothing is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[tuple[str, str]] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        self.addresses += [(tag, str(found[a])) for a in ("src", "href", "xlink:href") if found.get(a)]
        if tag == "svg" and found.get("aria-hidden") != "true":
            self.images.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [(tag, str(value)) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


def outline(text: str) -> Outline:
    parser = Outline()
    parser.feed(text)
    return parser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up run of one session."""
    return fake_run(tmp_path_factory.mktemp("runs") / "one", units=60)


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    """Its page."""
    return report.write(run).read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_every_id_is_unique(text: str) -> None:
    found = outline(text)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert {a[1:] for tag, a in found.addresses if tag == "a" and a.startswith("#")} <= set(found.ids)


def test_the_page_asks_nobody_for_anything(text: str) -> None:
    loaded = [address for tag, address in outline(text).addresses if tag != "a"]
    assert all(address.startswith("data:") for address in loaded)
    assert "@import" not in text
    assert "url(http" not in text


def test_every_drawing_says_what_it_shows(text: str) -> None:
    found = outline(text).images
    assert len(found) > 20
    assert all(image.get("role") == "img" and image.get("aria-label") for image in found)


def test_the_page_opens_with_one_verdict_for_each_question(text: str) -> None:
    opening = text[text.index('id="answers"') : text.index('id="checks"')]
    assert opening.count("Better than the best baseline.") == 2
    assert opening.count("No better than the best baseline.") == 1
    assert opening.count("Cannot tell.") == 1
    assert "test windows would tell" in opening


def test_the_title_names_the_sessions_while_they_are_few(text: str, run: Path, tmp_path: Path) -> None:
    (key,) = json.loads((run / "scores.json").read_text(encoding="utf-8"))["sessions"]
    assert f"<h1>{key}</h1>" in text
    many = report.write(fake_run(tmp_path / "cohort", sessions=5, units=12)).read_text(encoding="utf-8")
    assert "<h1>Dandiset" in many or "<h1>cohort</h1>" in many


def test_failed_checks_come_first(text: str) -> None:
    box = text[text.index('id="checks"') : text.index('id="scores"')]
    assert box.index("failed") < box.index("to look at") < box.index("passed</span>")


def test_the_published_mean_has_its_own_row_below_the_gain(text: str) -> None:
    assert text.index("Gain over the best baseline") < text.index("Published mean")


def test_what_stands_beside_the_scores_is_shown(text: str) -> None:
    for shown in ("How far ahead", "By choice", "Neighbours", "Flagged pairs", "the model, guarded", "true rates"):
        assert shown in text


def test_decoding_stands_beside_the_clock_and_says_when_and_where(text: str) -> None:
    for shown in ("the clock", "choice: confusion", "choice: when", "choice: by region", "3 runs of one label"):
        assert shown in text


def test_the_map_of_regions_says_that_it_is_no_wiring_diagram(text: str) -> None:
    shown = text[text.index('id="map"') : text.index('id="training"')]
    assert "no wiring diagram" in shown
    assert shown.count('class="frame"') > 0
    assert "same probe" in shown


def test_the_page_names_no_machine_and_no_home(text: str, run: Path) -> None:
    assert str(run.parent) not in text
    assert str(Path.home()) not in text


def test_every_source_has_its_doi_and_licence(text: str) -> None:
    assert 'href="https://doi.org/10.48324/dandi.000409/0.230101.1234"' in text
    assert "CC-BY-4.0" in text
    assert "2407.14668" in text


def test_names_from_files_are_text_and_never_markup(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", units=30, trials=60)
    evil = "<script>alert('x')</script>"
    sources = json.loads((run / "sources.json").read_text())
    sources["sources"][0]["name"] = sources["command"] = evil
    sources["sources"][0]["regions"] = {evil: 3}
    sources["sources"][0]["warnings"] = [{"kind": "k", "message": evil}]
    (run / "sources.json").write_text(json.dumps(sources))
    text = report.write(run).read_text(encoding="utf-8")
    assert evil not in text
    assert text.count("<script>") == 1


def test_only_scores_are_needed(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", units=30, trials=60)
    for name in ("figures.safetensors", "sources.json", "steps.jsonl", "config.toml"):
        (run / name).unlink()
    text = report.write(run).read_text(encoding="utf-8")
    assert outline(text).open == []
    assert 'id="rasters"' not in text
    assert 'id="scores"' in text


def test_a_run_that_was_not_scored_has_a_page_too(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", units=30, trials=60)
    (run / "scores.json").unlink()
    (run / "figures.safetensors").unlink()
    (run / "model.safetensors").touch()
    text = report.write(run).read_text(encoding="utf-8")
    assert "Nothing was scored." in text
    assert 'id="training"' in text


def test_files_that_were_skipped_are_listed_with_the_reason(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", units=30, trials=60)
    sources = json.loads((run / "sources.json").read_text())
    sources["skipped"] = [{"name": "sub-9.nwb", "kind": "zero_units", "message": "sub-9.nwb has no units."}]
    (run / "sources.json").write_text(json.dumps(sources))
    assert "sub-9.nwb has no units." in report.write(run).read_text(encoding="utf-8")


def test_a_session_without_scores_is_said(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "run", units=30, trials=60)
    scores = json.loads((run / "scores.json").read_text())
    for activity in next(iter(scores["sessions"].values()))["scores"].values():
        nothing = {"value": None, "low": None, "high": None}
        activity.update(model=None, oracle=None, baselines={}, gain=nothing, verdict="not scored", guarded={})
    (run / "scores.json").write_text(json.dumps(scores))
    text = report.write(run).read_text(encoding="utf-8")
    assert text.count("Not scored.") == 4


def test_an_existing_page_is_kept_unless_told_otherwise(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(RunError) as caught:
        report.write(run, page, existing="error")
    assert caught.value.kind == "exists"
    report.write(run, page, existing="skip")
    assert page.read_text() == "mine"
    report.write(run, page, existing="overwrite")
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_what_is_no_run_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no scores\.json"):
        report.write(tmp_path)
    with pytest.raises(RunError, match="no such folder"):
        report.write(tmp_path / "nothing")


def test_a_run_of_many_sessions_stays_below_five_megabytes(tmp_path: Path) -> None:
    page = report.write(fake_run(tmp_path / "run", sessions=3, units=200, trials=40))
    assert page.stat().st_size < 5e6
    assert "Session by session" in page.read_text(encoding="utf-8")
