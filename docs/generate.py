"""Reference pages that are read off the code: commands, settings, error kinds and the public names."""

import ast
import dataclasses
import importlib
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import click
from nwb_mtm_cli.main import COMMANDS, group

import nwb_mtm
from nwb_mtm.config import Config
from nwb_mtm.errors import KINDS
from nwb_mtm.presets import PRESETS
from nwb_mtm.schema import describe

ROOT = Path(__file__).resolve().parents[1]
CLASSES = ("SourceError", "RecordingError", "ConfigError", "RunError")
GROUPS = {
    "Read and simulate": ("read", "inspect", "simulate"),
    "Recordings": ("Recording", "Intervals", "Behavior"),
    "Windows": ("Windows", "Split"),
    "Fit": ("fit", "Training", "Checkpoint", "MtM", "Config"),
    "Score, predict, decode": (
        "evaluate",
        "Scores",
        "predict",
        "Prediction",
        "bits_per_spike",
        "decode",
        "map_regions",
    ),
    "Write": ("annotate", "check", "read_predictions"),
    "Errors": ("NwbMtmError",),
}


def write(folder: Path) -> None:
    """Write all pages; those that have not changed are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"errors": errors(), "settings": settings(), "commands": commands(), "api": api()}
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def errors() -> str:
    """One heading, with an anchor, for every kind of error."""
    raised = _classes_by_kind()
    parts = [
        "# Errors by kind\n",
        "Every error that nwb-mtm raises on purpose says what was found, what was needed, where, and what to do. "
        "It has a *kind*, shown at its end and kept in `error.kind`. In Python, catch `nwb_mtm.NwbMtmError` for all of "
        "them, or one of its four children in `nwb_mtm.errors`. A traceback of anything else is a fault of ours: "
        "please report it with the output of `nwb-mtm doctor --json`.\n",
    ]
    for kind, cure in KINDS.items():
        classes = ", ".join(f"`{name}`" for name in sorted(raised[kind])) or "`NwbMtmError`"
        parts.append(f"({anchor(kind)})=\n## `{kind}`\n\n{cure}\n\nRaised as {classes}.\n")
    return "\n".join(parts)


def anchor(kind: str) -> str:
    """The anchor of an error kind: `errors.html#error-not-found`.

    >>> anchor("not_found")
    'error-not-found'
    """
    return f"error-{kind.replace('_', '-')}"


def _classes_by_kind() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path in [*(ROOT / "nwb_mtm").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in CLASSES:
                for keyword in node.keywords:
                    if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant):
                        found[str(keyword.value.value)].add(ast.unparse(node.func))
    return found


def settings() -> str:
    """One table for every section of a file of settings."""
    parts = [
        "# Settings\n",
        "A file of settings is TOML. `nwb-mtm config init` writes one with all of this as comments, `nwb-mtm config "
        "check` reads one as a fit would, and `nwb-mtm fit --config FILE` uses it. What a file does not name keeps its "
        "default; an unknown name is refused, with the nearest known one. Options on the command line win over the "
        "file. Every run keeps its settings in `config.toml`.\n",
    ]
    for field in dataclasses.fields(Config):
        section = getattr(Config(), field.name)
        parts.append(f"## `[{field.name}]`\n\n{type(section).__doc__}\n")
        parts.append("| setting | default | what it does |\n| --- | --- | --- |")
        sentences = describe(type(section))
        for inner in dataclasses.fields(section):
            value = _shown(getattr(section, inner.name))
            parts.append(f"| `{inner.name}` | `{value}` | {_cell(sentences.get(inner.name, ''))} |")
        parts.append("")
    parts.append(
        "## Presets\n\n`--preset NAME` sets what a published member of the family fixes; the rest stays as above.\n"
    )
    for name, changes in PRESETS.items():
        told = ", ".join(f"`{key} = {_shown(value)}`" for key, value in sorted(changes.items())) or "all defaults"
        parts.append(f"- **{name}**: {told}")
    return "\n".join([*parts, ""])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(list(value) if isinstance(value, tuple) else value)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def commands() -> str:
    """Each command's own help, as the terminal shows it."""
    parts = [
        "# Commands\n",
        "This is what `nwb-mtm COMMAND --help` says. Results go to stdout (a table on a terminal, `--json` for "
        "machines), progress and warnings to stderr. Exit code 0: done; 1: something was wrong and was said plainly; "
        "2: the command was typed wrongly.\n",
        "To have commands and options completed, put one line into the shell's start file: "
        'bash `eval "$(_NWB_MTM_COMPLETE=bash_source nwb-mtm)"`, zsh `eval "$(_NWB_MTM_COMPLETE=zsh_source '
        'nwb-mtm)"`, fish `_NWB_MTM_COMPLETE=fish_source nwb-mtm | source`.\n',
        _help("nwb-mtm", group),
    ]
    context = click.Context(group, info_name="nwb-mtm")
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        parts.append(f"## {name}\n\n{_help(f'nwb-mtm {name}', command)}")
        inner = command.commands if isinstance(command, click.Group) else {}
        parts += [f"### {name} {sub}\n\n{_help(f'nwb-mtm {name} {sub}', c)}" for sub, c in inner.items()]
    return "\n".join(parts)


def _help(words: str, command: click.Command) -> str:
    context = click.Context(command, info_name=words, max_content_width=80, terminal_width=80)
    context.help_option_names = ["-h", "--help"]
    return f"```text\n{command.get_help(context).rstrip()}\n```\n"


def api() -> str:
    """The public names, with their docstrings."""
    parts = [
        "# Python API\n",
        "`import nwb_mtm as mtm` gives these names; each is imported when it is first used. Shapes are written in the "
        'types: `Float[ndarray, "window bin unit"]` is a floating-point array with those three axes. Times are '
        "seconds on the session's clock, rates are spikes per second.\n",
    ]
    grouped = {name for names in GROUPS.values() for name in names}
    rest = tuple(sorted(set(nwb_mtm._PUBLIC) - grouped))
    for title, names in {**GROUPS, **({"More": rest} if rest else {})}.items():
        parts.append(f"## {title}\n")
        parts += [_documented(name) for name in names]
    return "\n".join(parts)


def _documented(name: str) -> str:
    module = f"nwb_mtm.{nwb_mtm._PUBLIC[name]}"
    found = getattr(importlib.import_module(module), name)
    directive = "autoclass" if isinstance(found, type) else "autofunction"
    options = "\n   :members:" if isinstance(found, type) else ""
    return f"### {name}\n\n```{{eval-rst}}\n.. {directive}:: {module}.{name}{options}\n```\n"


def rooms() -> str:
    """The rooms from the top, each module with the first sentence of its docstring."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "rooms")
    lines = ["| module | what it is |", "| --- | --- |"]
    for layer in contract["layers"]:
        for index, name in enumerate(re.findall(r"\w+", layer)):
            if not any((ROOT / "nwb_mtm" / end).exists() for end in (name, f"{name}.py")):
                continue
            mark = "│ " if index else ""
            lines.append(f"| {mark}`{name}` | {_first_sentence(name)} |")
    return "\n".join(lines)


def _first_sentence(module: str) -> str:
    path = ROOT / "nwb_mtm" / module
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return _cell(text.split("\n\n")[0])


def with_rooms(page: str) -> str:
    """The page on architecture with its table brought up to date."""
    start, end = "<!-- rooms start -->\n", "<!-- rooms end -->"
    before, _, rest = page.partition(start)
    return before + start + rooms() + "\n" + end + rest.partition(end)[2]


if __name__ == "__main__":
    here = Path(__file__).parent
    write(here / "reference" / "generated")
    page = here / "architecture.md"
    page.write_text(with_rooms(page.read_text(encoding="utf-8")), encoding="utf-8")
