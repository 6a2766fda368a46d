"""`nwb-mtm doctor` says what is here, and never the value of a key."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from nwb_mtm_cli.main import group

from nwb_mtm import installation


def examined(*words: str) -> str:
    done = CliRunner().invoke(group, ["doctor", *words], prog_name="nwb-mtm", catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_versions_devices_cache_and_archives_are_shown() -> None:
    text = examined()
    for word in ("python", "torch", "pynwb", "hdmf-zarr", "cpu", "folder", "free space"):
        assert word in text


def test_a_key_is_named_and_its_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANDI_API_KEY", "secret-value")
    for text in (examined(), examined("--json")):
        assert "DANDI_API_KEY" in text
        assert "secret-value" not in text


def test_json_names_no_home_folder() -> None:
    facts = {fact["name"]: fact for fact in json.loads(examined("--json"))}
    assert facts["folder"]["found"].startswith("~/")
    assert str(Path.home()) not in json.dumps(facts)


def test_what_is_missing_comes_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_required", lambda extra: [] if extra else ["no-such-distribution"])
    text = " ".join(examined().split())
    assert "pip install 'no-such-distribution'" in text
    assert "1 to mend: no-such-distribution" in text


def test_the_archives_are_those_that_the_client_knows() -> None:
    from dandi.consts import known_instances

    assert set(known_instances) >= set(installation.INSTANCES)
