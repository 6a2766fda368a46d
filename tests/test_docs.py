"""What the README and the pages show is what happens: every block is run, every link leads somewhere."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from documented import SHELL, Block, Target, blocks, commands, run_each
from loopback import LoopbackArchive

from nwb_mtm.errors import KINDS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
OTHER_COMMANDS = ("pip ", "python ", "python3 ", "py ", "make", "git ", "cd ", "export ", "set ", "$env:", "conda ")
OTHER_COMMANDS += (".venv", "source ", "sbatch ", "srun ", "torchrun ", "datalad ", "dandi ", "eval ", "ls ", "mkdir ")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def shown(page: Path) -> list[Block]:
    return list(blocks(page))


def to_run(page: Path) -> bool:
    return any(not b.reason and (b.kind == "python" or "nwb-mtm " in b.text) for b in shown(page))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages speak of: `session.nwb`, `new.nwb`, and the dandiset `data/`."""
    from nwb_mtm import synthetic

    folder = tmp_path_factory.mktemp("documented")
    drawn = synthetic.simulate(sessions=3, units=40, trials=60, seed=0)
    written = list(synthetic.write_dandiset(folder / "data", drawn))
    (folder / "session.nwb").write_bytes(written[0].read_bytes())
    (folder / "new.nwb").write_bytes(written[1].read_bytes())
    return folder


@pytest.fixture(scope="module")
def archive(place: Path) -> Iterator[LoopbackArchive]:
    """The dandisets that the pages name, on this machine."""
    with LoopbackArchive() as running:
        for dandiset in ("000409", "000017", "000129"):
            for path in sorted((place / "data").rglob("*.nwb")):
                subject = path.parent.name.removeprefix("sub-")
                running.add(dandiset, f"{path.parent.name}/{path.name}", path, subject=subject, session=path.stem)
            running.publish(dandiset, "0.230101.1234")
        yield running


FIRST = ROOT / "README.md"
RUNNING = [p for p in PAGES if to_run(p)]


@pytest.fixture(scope="module")
def said(
    request: pytest.FixtureRequest, place: Path, archive: LoopbackArchive, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What went wrong on each page that was chosen; every page has a folder of its own."""
    chosen = {
        item.callspec.params.get("page")
        for item in request.session.items
        if item.name.startswith("test_what_a_page_shows_runs[")
    }
    targets = []
    for page in (p for p in RUNNING if p in chosen):
        folder = tmp_path_factory.mktemp(page.stem)
        shutil.copytree(place / "data", folder / "data")
        for source in ("session.nwb", "new.nwb"):
            shutil.copy(place / source, folder)
        targets.append(Target(page, folder))
    return run_each(targets, DANDI_INSTANCE=archive.url, NWB_MTM_CACHE=str(place / "cache"), BROWSER="true")


@pytest.mark.parametrize(
    "page", [p if p == FIRST else pytest.param(p, marks=pytest.mark.slow) for p in RUNNING], ids=lambda p: p.stem
)
def test_what_a_page_shows_runs(page: Path, said: dict[str, str]) -> None:
    assert said.get(str(page), str(said)) == ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_line_for_a_shell_is_ours_or_a_known_tool_s(page: Path) -> None:
    lines = [line for block in shown(page) if block.kind in SHELL for line in commands(block)]
    assert [line for line in lines if not line.startswith(("nwb-mtm", *OTHER_COMMANDS))] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    from test_errors import OPTION, options

    known = options() | {
        o for script in (ROOT / "benchmarks").glob("*.py") for o in OPTION.findall(script.read_text("utf-8"))
    }
    text = page.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "nwb-mtm" in line or "`--" in line]
    named = {
        o
        for line in lines
        for o in OPTION.findall(line)
        if not any(t in line for t in ("pip ", "dandi download", "srun "))
    }
    assert sorted(named - known) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        generated = "reference/generated" in target
        assert generated or (page.parent / target).exists(), target


def test_every_page_is_in_a_table_of_contents() -> None:
    tables = [
        t for p in DOCS.glob("*.md") for t in re.findall(r"```{toctree}\n(.+?)```", p.read_text("utf-8"), re.DOTALL)
    ]
    listed = [entry for table in tables for entry in re.findall(r"^([\w/-]+)$", table, re.MULTILINE)]
    pages = {p.stem for p in DOCS.glob("*.md")} - {"index"}
    assert pages == {entry for entry in listed if "/" not in entry}
    assert len(listed) == len(set(listed))


def test_every_error_kind_has_an_anchor() -> None:
    sys.path.insert(0, str(DOCS))
    try:
        import generate
    finally:
        sys.path.remove(str(DOCS))
    page = generate.errors()
    for kind in KINDS:
        assert f"({generate.anchor(kind)})=\n## `{kind}`" in page
    assert page.count("\n## ") == len(KINDS)


@pytest.mark.docs
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="needs the docs extra")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    page = (tmp_path / "reference" / "generated" / "errors.html").read_text(encoding="utf-8")
    for kind in KINDS:
        assert f'id="error-{kind.replace("_", "-")}"' in page


@pytest.mark.docs
@pytest.mark.network
def test_links_to_the_web_are_alive(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="needs the docs extra")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "linkcheck", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (tmp_path / "output.txt").read_text(encoding="utf-8")


def test_the_architecture_page_shows_the_house_as_it_is() -> None:
    sys.path.insert(0, str(DOCS))
    try:
        import generate
    finally:
        sys.path.remove(str(DOCS))
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    assert generate.with_rooms(page) == page, "run `python docs/generate.py`"


def test_an_option_stands_beside_a_command_that_has_it() -> None:
    from nwb_mtm_cli.main import COMMANDS, group

    context, wrong = click.Context(group), []
    for page in PAGES:
        for name, option in re.findall(r"`(?:nwb-mtm )?([a-z]+) (--[a-z-]+)", page.read_text(encoding="utf-8")):
            command = group.get_command(context, name) if name in COMMANDS else None
            if command is not None and option not in {o for p in command.params for o in [*p.opts, *p.secondary_opts]}:
                wrong.append(f"{page.name}: {name} {option}")
    assert wrong == []


def test_extras_are_installed_in_one_way() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "nwb_mtm").rglob("*.py")]
    ways = {
        way for page in pages for way in re.findall(r"pip install ['\"]([^'\"\[]*)\[[a-z{]", page.read_text("utf-8"))
    }
    assert ways == {"nwb-mtm"}
