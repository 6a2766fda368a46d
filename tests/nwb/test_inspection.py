"""Every animal of the zoo is seen for what it is."""

import json
from pathlib import Path

import pytest
from zoo import ANIMALS, build, mismatches

from nwb_mtm.nwb.inspection import inspect


@pytest.mark.parametrize("name", ANIMALS)
def test_inspect_answers_as_written_by_hand(name: str, tmp_path: Path) -> None:
    path, expected = build(name, tmp_path)
    answer = inspect(path).to_json()
    json.dumps(answer, allow_nan=False)
    assert mismatches(answer, expected) == []
