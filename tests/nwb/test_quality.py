"""The files' own rules of quality, each as its archive means it."""

import numpy as np
import pytest
from numpy import ndarray

from nwb_mtm.nwb.quality import auto_quality, is_noise, judge_quality

RULES = [
    ({"quality": ["good", "noise", "mua", ""]}, [True, False, False, None]),
    ({"quality": ["mua", "noise", "mua", "mua"]}, [False] * 4),
    ({"ibl_quality_score": [1.0, 0.67, np.nan, 1.0], "kilosort2_label": ["mua"] * 4}, [True, False, None, True]),
    ({"KSLabel": ["good", "mua", "mua", "good"]}, [True, False, False, True]),
    ({"phy_annotations": [0, 1, 2, 3]}, [False, False, True, True]),
    ({"classification": ["good", "unlabelled", "good", "good"], "unit_quality": ["multi"] * 4},
     [True, False, True, True]),
    ({"decoder_label": ["sua", "mua", "noise", "sua"], "default_qc": ["True", "True", "False", "False"]},
     [True, False, False, False]),
    ({"decoder_label": ["sua", "mua", "noise", "sua"]}, [True, False, False, True]),
    ({"default_qc": [True, False, True, True]}, [True, False, True, True]),
    ({"label": [1.0, 0.5, 0.0, 1.0]}, [True, False, False, True]),
    ({"quality_label": ["good", "mua", "good", "good"]}, [True, False, True, True]),
    ({"quality": ["good"] * 4, "amplitude_cutoff": [0.1, 0.2, np.nan, 0.0], "presence_ratio": [0.95, 1, 1, 0.9],
      "isi_violations": [0.5, 0, 0, 0]}, [True, False, False, False]),
]  # fmt: skip


def arrays(columns: dict[str, list[object]]) -> dict[str, ndarray]:
    return {name: np.array(values) for name, values in columns.items()}


@pytest.mark.parametrize(("columns", "verdict"), RULES)
def test_each_archive_is_judged_by_its_own_rule(columns: dict[str, list[object]], verdict: list[bool | None]) -> None:
    found = auto_quality(arrays(columns))
    assert found is not None
    assert list(found[1]) == verdict


@pytest.mark.parametrize(
    "columns", [{}, {"quality": [1, 2, 3]}, {"label": ["a", "b"]}, {"group": ["shank1", "shank2"]}]
)
def test_a_column_that_says_nothing_judges_nobody(columns: dict[str, list[object]]) -> None:
    count = len(next(iter(columns.values()), [0, 0]))
    assert judge_quality("auto", arrays(columns), count)[1] == (None,) * count


def test_noise_and_artefacts_are_known_by_any_label() -> None:
    columns = arrays({"quality": ["good", "noise", "mua"], "group": ["good", "good", "Artifact"]})
    assert is_noise(columns, 3).tolist() == [False, True, True]
