"""Run pages of the documentation and examples as a reader would.

Of a page: its Python blocks in one namespace, its `nwb-mtm` lines one after the other. Sizes are made small first, so
that a fit takes seconds; everything else is as typed.
"""

import contextlib
import glob
import io
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|:{3,}) *(?P<kind>[\w{}-]*).*$")
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.+?) -->")
DEMO = ("--sessions", "1", "--units", "24", "--trials", "40")
RUN, SHELL = ("python", "pycon"), ("bash", "sh", "console", "powershell", "bat")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    kind: str
    text: str
    line: int
    reason: str = ""  # why it is not run


def blocks(page: Path) -> Iterator[Block]:
    """Every block of a page that is Python or typed into a shell."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number, reason = 0, ""
    while number < len(lines):
        told, opened = NOT_RUN.search(lines[number]), FENCE.match(lines[number])
        if told:
            reason = told["reason"]
        if opened and opened["fence"][0] == "`":
            end = next(n for n in range(number + 1, len(lines)) if lines[n].strip().startswith(opened["fence"]))
            body = [line.removeprefix(opened["indent"]) for line in lines[number + 1 : end]]
            if opened["kind"] in (*RUN, *SHELL):
                yield Block(opened["kind"], "\n".join(body), number + 1, reason)
            number, reason = end, ""
        number += 1


def commands(block: Block) -> list[str]:
    """The lines of a shell block, without prompts and comments, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", block.text)
    lines = [re.sub(r"^\s*(\$|>) ", "", line) for line in text.splitlines()]
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def small() -> None:
    """Make every default size small."""
    from nwb_mtm import config

    _default(config.TrainConfig, steps=4, batch=8)
    _default(config.ModelConfig, layers=0)
    _default(config.EvaluateConfig, folds=2, bootstraps=20, decode=False)


def _default(section: type, **values: object) -> None:
    names = [f.name for f in fields(section)]  # type: ignore[arg-type]
    defaults = list(section.__init__.__defaults__ or ())  # type: ignore[misc]
    for name, value in values.items():
        defaults[names.index(name) - len(names)] = value
        setattr(section, name, value)
    section.__init__.__defaults__ = tuple(defaults)  # type: ignore[misc]


def typed(line: str) -> list[str]:
    """The arguments of an `nwb-mtm` line as a shell would hand them over, with budget and steps cut to a few steps."""
    line = re.sub(r"--(budget|steps)[= ]\S+", "--steps 4", line.split(" #")[0])
    words: list[str] = []
    for word in shlex.split(line)[1:]:
        words += sorted(glob.glob(word)) if glob.has_magic(word) and "[" not in word else [word]
    return [*words, *DEMO] if words[:1] == ["demo"] else words


def run(page: Path) -> None:
    """Run all blocks of a page; the first that fails stops it."""
    small()
    from nwb_mtm_cli.main import group

    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.reason:
            continue
        print(f"-- {page.name}:{block.line}", flush=True)
        if block.kind == "python":
            text = re.sub(r'\b(budget="\w+"|steps=\d+)', "steps=4", block.text)
            exec(compile(text, f"{page.name}:{block.line}", "exec"), names)  # noqa: S102
            continue
        for line in commands(block):
            if line.startswith("nwb-mtm "):
                print(f"-- {line}", flush=True)
                group.main(typed(line), prog_name="nwb-mtm", standalone_mode=False)


def run_example(path: Path) -> None:
    """Run a script with the arguments that follow it, or the code cells of a notebook."""
    small()
    if path.suffix == ".py":
        runpy.run_path(str(path), run_name="__main__")
        return
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}:{number}", "exec"), names)  # noqa: S102


@dataclass(frozen=True)
class Target:
    """A page or an example, the folder it runs in, and its arguments."""

    path: Path
    folder: Path
    words: tuple[str, ...] = ()


def run_each(targets: list[Target], **environment: str) -> dict[str, str]:
    """Run all targets in one other process, so that torch is loaded once; what each one said, "" when it ran well."""
    listed = [[str(one.path), str(one.folder), list(one.words)] for one in targets]
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(listed)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )
    found = dict(line[2:].split("\t", 1) for line in done.stdout.splitlines() if line.startswith("@@"))
    return {path: json.loads(said) for path, said in found.items()} or {"": done.stdout + done.stderr}


def _main(listed: list[tuple[str, str, list[str]]]) -> None:
    warnings.simplefilter("error", category=UserWarning)
    for path, folder, words in listed:
        os.chdir(folder)
        sys.argv = [path, *words]
        said = io.StringIO()
        failed = ""
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                run(Path(path)) if path.endswith(".md") else run_example(Path(path))
            except (Exception, SystemExit):  # the test shows it
                failed = traceback.format_exc()
        print(f"@@{path}", json.dumps(failed and said.getvalue()[-3000:] + failed[-5000:]), sep="\t", flush=True)


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
