"""Every error is one of four, has a kind, and ends with what to do."""

import ast
import copy
import pickle
import re
from pathlib import Path

import click
import pytest

from nwb_mtm import errors
from nwb_mtm.errors import KINDS, ConfigError, NwbMtmError, RecordingError, RunError, SourceError

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([*(ROOT / "nwb_mtm").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
CLASSES = (SourceError, RecordingError, ConfigError, RunError)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
OTHERS_OPTIONS = {"--version", "--help", "--nproc-per-node"}  # of every command, and of torchrun


def raised(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call of one of our error classes in a file."""
    names = {c.__name__ for c in CLASSES}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return [(ast.unparse(c.func), c) for c in calls if ast.unparse(c.func) in names]


def constant_kinds(call: ast.Call) -> set[str]:
    found = {k.arg: k.value for k in call.keywords}.get("kind")
    if found is None:
        return set()
    return {n.value for n in ast.walk(found) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_error_is_raised_with_a_kind_that_is_listed(path: Path) -> None:
    for name, call in raised(path):
        assert "kind" in {k.arg for k in call.keywords}, f"{name}, line {call.lineno}"
        if isinstance({k.arg: k.value for k in call.keywords}["kind"], ast.Constant):
            assert constant_kinds(call) <= set(KINDS), f"{name}, line {call.lineno}"


def test_every_listed_kind_is_used() -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in CODE if p.name != "errors.py")
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []


def test_only_the_four_classes_are_there() -> None:
    found = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, NwbMtmError)}
    assert found == {NwbMtmError, *CLASSES}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_what_to_do(kind: str) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", kind)
    assert KINDS[kind].endswith(".")
    assert len(KINDS[kind]) > 20


def test_an_unlisted_kind_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="add it to nwb_mtm.errors.KINDS"):
        RunError("no", kind="nonsense")


@pytest.mark.parametrize("make", CLASSES)
def test_errors_travel_between_processes(make: type[NwbMtmError]) -> None:
    error = make("Said plainly.", kind="not_found")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again), again.kind) == (make, "Said plainly.", "not_found")
    assert copy.copy(error).cure == KINDS["not_found"]


def options() -> set[str]:
    """Every option of every command."""
    from nwb_mtm_cli.main import group

    context = click.Context(group)
    found = {o for p in group.params for o in p.opts}
    waiting: list[click.Command] = [group.get_command(context, name) for name in group.list_commands(context)]  # type: ignore[misc]
    while waiting:
        command = waiting.pop()
        found |= {o for p in command.params for o in [*p.opts, *p.secondary_opts]}
        if isinstance(command, click.Group):
            waiting += command.commands.values()
    return found | OTHERS_OPTIONS


def strings(path: Path) -> list[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(n.lineno, n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_every_option_that_a_message_names_exists() -> None:
    known = options()
    missing = [
        f"{path.relative_to(ROOT)}:{line} {option}"
        for path in CODE
        for line, text in strings(path)
        for option in OPTION.findall(text)
        if option not in known
    ]
    assert missing == []


def test_every_command_that_a_message_names_exists() -> None:
    from nwb_mtm_cli.main import COMMANDS

    named = [(p, m) for p in CODE for _, t in strings(p) for m in re.findall(r"`nwb-mtm ([a-z]+)", t)]
    assert [(p.name, m) for p, m in named if m not in COMMANDS] == []
