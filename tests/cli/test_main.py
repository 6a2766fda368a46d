"""The command group: help, mistakes, errors and exit codes."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from nwb_mtm_cli import main as package_main
from nwb_mtm_cli.main import COMMANDS, group, main

from nwb_mtm import errors


def invoke(*words: str) -> Result:
    return CliRunner().invoke(group, list(words), prog_name="nwb-mtm")


def leaves() -> list[tuple[str, ...]]:
    """Every command, with the words that lead to it."""
    context = click.Context(group)
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = group.get_command(context, name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
    return found


def test_help_lists_every_command_with_what_it_is_for() -> None:
    text = invoke("--help").output
    for name in COMMANDS:
        assert f"\n  {name} " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded(name: str) -> None:
    assert group.get_command(click.Context(group), name) is not None


def test_every_help_fits_80_columns_shows_an_example_and_explains_its_options() -> None:
    wrong = []
    for words in leaves():
        done = invoke(*words, "--help")
        assert done.exit_code == 0, done.output
        lines = done.output.splitlines()
        wrong += [f"{words}: {line}" for line in lines if len(line) > 80]
        if "Example" not in done.output:
            wrong.append(f"{words}: no example")
        command: click.Command = group
        for word in words:
            command = command.get_command(click.Context(command), word)  # type: ignore[attr-defined]
        wrong += [f"{words}: {p.name}" for p in command.params if isinstance(p, click.Option) and not p.help]
    assert wrong == []


def test_the_examples_in_help_name_commands_and_options_that_exist() -> None:
    wrong = []
    for words in leaves():
        for line in invoke(*words, "--help").output.splitlines():
            typed = line.split("#")[0].split()
            if typed[:1] == ["nwb-mtm"]:
                text = invoke(*typed[1:2], "--help").output
                text += invoke(*typed[1:3], "--help").output if typed[1:2] in (["config"], ["cache"]) else ""
                wrong += [f"{line}: {o}" for o in typed if o.startswith("--") and o.split("=")[0] not in text]
    assert wrong == []


def test_a_mistyped_command_gets_the_nearest_one() -> None:
    done = invoke("fti")
    assert done.exit_code == 2
    assert "No such command 'fti'. Did you mean 'fit'?" in done.output


def test_a_mistyped_option_gets_the_nearest_one() -> None:
    done = invoke("simulate", "folder", "--session", "2")
    assert done.exit_code == 2
    assert "--sessions" in done.output


@pytest.mark.parametrize("option", [("--freeze", "trunk"), ("--trials-curve", "10,20"), ("--no-control",)])
def test_what_is_said_of_a_model_to_start_from_needs_one(option: tuple[str, ...]) -> None:
    done = invoke("fit", "session.nwb", *option)
    assert done.exit_code == 2
    assert f"{option[0]} says how to start from a model; name it with --from MODEL" in done.output


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert invoke("--version").output == f"nwb-mtm {version('nwb-mtm')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(group, [], prog_name="nwb-mtm", env={"_NWB_MTM_COMPLETE": f"{shell}_source"})
    assert "_NWB_MTM_COMPLETE" in done.output


def test_our_errors_are_said_plainly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["nwb-mtm", "config", "show", "none.toml"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: Cannot read the settings none.toml")
    assert errors.KINDS["not_found"] in said.err.replace("\n", " ")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("nwb_mtm.config.Config.load", broken)
    monkeypatch.setattr(sys, "argv", ["nwb-mtm", "config", "show", "none.toml"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_python_runs_the_commands_as_a_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nwb_mtm_cli", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("nwb-mtm ")
    assert package_main is main
