"""Results are tables on stdout; errors and warnings go to stderr, with nothing lost to markup or wrapping."""

import pytest
from nwb_mtm_cli import show

from nwb_mtm.errors import RecordingError
from nwb_mtm.intervals import Value


def test_an_error_is_followed_by_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    show.show_error(RecordingError("The file [b]a.nwb[/b] has none.", kind="no_units_table"))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0] == "Error: The file [b]a.nwb[/b] has none."
    assert "(error kind: no_units_table)" in said.err


def test_a_warning_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show.show_warning("Look [here].")
    assert capsys.readouterr().err == "Warning: Look [here].\n"


def test_a_piped_table_is_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    long = "/processing/behavior/BehavioralTimeSeries/" + "x" * 60
    show.console().print(show.table("Series", ("name", "rate"), [(long, 60.0)]))
    assert f"{long}  60.0" in capsys.readouterr().out


def test_a_value_with_its_interval_is_short() -> None:
    assert show.short(Value(-0.0181, -0.0752, 1.0009)) == "-0.018 [-.075 1.001]"
    assert show.short(Value(float("nan"), float("nan"), float("nan"))) == "-"


def test_numbers_stand_to_the_right() -> None:
    table = show.table("t", ("name", "n"), [("a", 1), ("b", 10)])
    assert [c.justify for c in table.columns] == ["left", "right"]


@pytest.mark.parametrize(("share", "text"), [(0.0, "    "), (1.0, "████"), (2.0, "████"), (-1.0, "    ")])
def test_a_bar_stays_in_its_place(share: float, text: str) -> None:
    assert show.bar(share, 4) == text


def test_a_sparkline_of_nothing_or_of_one_value_is_drawn() -> None:
    assert show.sparkline([]) == ""
    assert len(show.sparkline([5.0])) == 1
    assert len(show.sparkline(list(range(100)), 20)) <= 20
