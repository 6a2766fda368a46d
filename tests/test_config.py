"""Settings are read strictly, written completely, and typing mistakes are refused with the nearest name."""

import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError, SourceError
from nwb_mtm.schema import describe, seconds

SECTIONS = [f.name for f in dataclasses.fields(Config)]


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    assert Config.load(tmp_path / "c.toml") == Config()


def test_settings_survive_being_written(tmp_path: Path) -> None:
    config = Config().changed({"train.steps": 7, "units.regions": ["CA1", "DG"], "windows.align": "trials.go"})
    config.save(tmp_path / "c.toml")
    assert Config.load(tmp_path / "c.toml") == config
    assert [p.name for p in tmp_path.iterdir()] == ["c.toml"]


def test_the_commented_file_holds_every_setting_with_its_sentence() -> None:
    text = Config().to_toml(comments=True)
    assert Config.from_table(tomllib.loads(text)) == Config()
    assert "# Seconds before the event.\nbefore = 0.5" in text


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_sentence(section: str) -> None:
    kind = type(getattr(Config(), section))
    sentences = describe(kind)
    assert set(sentences) == {f.name for f in dataclasses.fields(kind)}
    assert all(s[-1] in ".)" for s in sentences.values())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"model": {"layer": 2}}, "Unknown setting 'model.layer'. Did you mean 'model.layers'?"),
        ({"modell": {}}, "Did you mean 'model'?"),
        ({"train": {"step": 2}}, "Did you mean 'train.steps'?"),
        ({"train": {"steps": "2"}}, "'train.steps' needs a value of type int; found '2'"),
        ({"train": {"steps": True}}, "'train.steps' needs a value of type int; found True"),
        ({"train": 3}, "'train' is a section"),
        ({"evaluate": {"sessions": "some"}}, "'evaluate.sessions' is one of sample, all, none"),
        ({"windows": {"bin": 0.0}}, "windows.bin is 0; it needs to be above 0"),
        ({"split": {"test": 0.0}}, "shares above 0"),
    ],
)
def test_mistakes_are_refused_by_name(table: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?").replace(".", r"\.")):
        Config.from_table(table)


def test_a_change_to_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'train.steps'"):
        Config().changed({"train.stpes": 3})


def test_whole_numbers_are_taken_where_a_fraction_may_stand() -> None:
    assert Config.from_table({"windows": {"before": 1}}).windows.before == 1.0


def test_a_missing_file_and_a_broken_one_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Cannot read the settings none.toml"):
        Config.load(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[train")
    with pytest.raises(ConfigError, match="broken.toml is no valid TOML"):
        Config.load(tmp_path / "broken.toml")


@given(hours=st.integers(0, 99), minutes=st.integers(0, 59), rest=st.integers(1, 59))
def test_stretches_of_time_add_up(hours: int, minutes: int, rest: int) -> None:
    assert seconds(f"{hours}h{minutes}m{rest}s") == hours * 3600 + minutes * 60 + rest


@pytest.mark.parametrize("text", ["", "5 minutes", "-3m", "0s", "m", "nan"])
def test_what_is_no_stretch_of_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        seconds(text)


def test_a_preset_means_the_same_wherever_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('[model]\npreset = "ndt1-mtm"\nwidth = 128\n')
    loaded = Config.load(tmp_path / "p.toml")
    changed = Config().changed({"model.width": 128, "model.preset": "ndt1-mtm"})
    assert loaded == changed
    assert (loaded.model.layers, loaded.model.width, loaded.model.latents) == (5, 128, 0)
    assert loaded.schemes.prompt
    assert Config.from_table(loaded.to_table()) == loaded
    assert changed.changed({"model.preset": "default"}).model.layers == Config().model.layers


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="Unknown preset 'ndt3'"):
        Config.from_table({"model": {"preset": "ndt3"}})


def test_what_is_asked_for_beside_the_same_preset_stays() -> None:
    config = Config().changed({"train.batch": 32})
    assert config.changed({"model.preset": "default"}).train.batch == 32
