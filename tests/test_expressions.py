"""Conditions are understood or refused, and never executed."""

import numpy as np
import pytest

from nwb_mtm.errors import ConfigError
from nwb_mtm.expressions import column_names, evaluate, values_of

COLUMNS = {
    "snr": np.array([1.0, 4.0, np.nan, 9.0]),
    "label": np.array(["good", "mua", "good", ""]),
    "power": np.array(["1.5", "N/A", "3", "3"]),
    "flag": np.array([True, False, True, False]),
    "a.b": np.array([1, 2, 3, 4]),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("snr > 3", [0, 1, 0, 1]),
        ("not snr > 3", [1, 0, 1, 0]),
        ("snr != 4", [1, 0, 0, 1]),
        ("1 < snr <= 4", [0, 1, 0, 0]),
        ("label == 'good' and flag", [1, 0, 1, 0]),
        ("label in ['mua', '']", [0, 1, 0, 1]),
        ("label not in ('mua',) or snr == 4", [1, 1, 1, 1]),
        ("isnull(snr) or isnull(label)", [0, 0, 1, 1]),
        ("power > 2", [0, 0, 1, 1]),
        ("startswith(label, 'go')", [1, 0, 1, 0]),
        ("contains(label, 'u')", [0, 1, 0, 0]),
        ("snr * 2 - 1 >= 7", [0, 1, 0, 1]),
        ("column('a.b') >= 3", [0, 0, 1, 1]),
        ("abs(-snr) > 3", [0, 1, 0, 1]),
        ("flag == True", [1, 0, 1, 0]),
        ("label == 3", [0, 0, 0, 0]),
        ("True", [1, 1, 1, 1]),
    ],
)
def test_conditions_choose_rows(text: str, expected: list[int]) -> None:
    assert evaluate(text, COLUMNS, where="the table").astype(int).tolist() == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "(lambda: 1)()",
        "snr.__class__",
        "[x for x in snr]",
        "snr[0]",
        "open('x')",
        "label < 3",
        "snr >",
        "",
        "f'{snr}'",
        "'text'",
        "startswith(label)",
        "snr if flag else label",
        "2 ** 9",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        evaluate(text, COLUMNS, where="the table")


def test_a_wrong_name_is_said_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'label'"):
        evaluate("lable == 'good'", COLUMNS, where="the table")


def test_names_can_be_listed() -> None:
    assert column_names("snr > 3 and isnull(label)") == {"snr", "label"}
    assert column_names("snr >") == frozenset()


def test_what_columns_hold_is_listed_for_a_condition_that_chose_nothing() -> None:
    held = values_of("label == 'goood' and column('a.b') > 9", {**COLUMNS, "rt": np.linspace(0.1, 2, 40)})
    assert held == "label holds good (2), mua (1); a.b holds 1 (1), 2 (1), 3 (1), 4 (1)"
    assert values_of("rt > 9", {"rt": np.linspace(0.5, 2, 40)}) == "rt holds numbers from 0.5 to 2"
