"""The walls, the packaging and the habits of the house."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY, CLI = ROOT / "nwb_mtm", ROOT / "cli"
CODE = sorted([*LIBRARY.rglob("*.py"), *CLI.rglob("*.py")])
SCRIPTS = sorted([*(ROOT / "examples").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a tool; its output is shown when an assertion on it fails."""
    env = {**os.environ, **environment}
    return subprocess.run([str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True)


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


# walls


def test_every_room_imports_only_the_rooms_below_it() -> None:
    done = run(sys.executable, "-c", LINT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("nwb_mtm/windows.py", "import h5py"),
        ("nwb_mtm/splits.py", "import torch"),
        ("nwb_mtm/binning.py", "import rich"),
        ("nwb_mtm/binning.py", "from nwb_mtm import windows"),
        ("nwb_mtm/binning.py", "import matplotlib"),
        ("nwb_mtm/newcomer.py", ""),
    ],
)
def test_a_wall_that_is_crossed_is_noticed(tmp_path: Path, file: str, line: str) -> None:
    shutil.copytree(LIBRARY, tmp_path / "nwb_mtm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CLI, tmp_path / "nwb_mtm_cli", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    done = run(sys.executable, "-c", LINT, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert Path(file).stem in done.stdout


def test_shapes_are_checked_while_testing() -> None:
    from jaxtyping import TypeCheckError

    from nwb_mtm.binning import bin_edges

    with pytest.raises(TypeCheckError):
        bin_edges(np.zeros((2, 2)), 3, 0.1)


# style


def test_ruff_has_nothing_to_say() -> None:
    done = run(sys.executable, "-m", "ruff", "check", ".")
    assert done.returncode == 0, done.stdout


def test_the_code_has_one_format() -> None:
    done = run(sys.executable, "-m", "ruff", "format", "--check", ".")
    assert done.returncode == 0, done.stdout


def test_mypy_has_nothing_to_say() -> None:
    link = ROOT / ".typing" / "nwb_mtm_cli"
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to("../cli", target_is_directory=True)
    done = run(sys.executable, "-m", "mypy", "-p", "nwb_mtm", "-p", "nwb_mtm_cli", MYPYPATH=".typing")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (400 if "model" in path.parts else 300), f"{path.name} has {lines} lines"
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= 40, f"{path.name}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", [*CODE, *SCRIPTS], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_module_starts_with_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "random"}
FORBIDDEN_CALLS = {
    "torch.load",
    "torch.save",
    "torch.manual_seed",
    "eval",
    "exec",
    "np.random.seed",
    "torch.seed",
}
MADE_UP = ("example", "/home/ann")
TEXT = (".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".cff")
CHANCE = ("default_rng", "Generator", "SeedSequence", "PCG64", "Philox", "BitGenerator")


@pytest.mark.parametrize("path", [*CODE, *SCRIPTS], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_unpickles_evaluates_or_draws_from_global_chance(path: Path) -> None:
    forked = {
        line
        for node in nodes(path)
        if isinstance(node, ast.With) and "torch.random.fork_rng" in ast.unparse(node.items[0])
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    for node in nodes(path):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [(node.module or "").split(".")[0]]
        assert not FORBIDDEN_MODULES & set(names), f"line {node.lineno}"  # type: ignore[attr-defined]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            own_chance = called == "torch.manual_seed" and node.lineno in forked  # dropout takes no generator
            assert called not in FORBIDDEN_CALLS or own_chance, f"line {node.lineno}"
            assert not any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
            assert node.attr in CHANCE, f"line {node.lineno}"


def test_nothing_in_the_project_names_a_machine_or_a_home() -> None:
    listed = run("git", "ls-files")
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of the project's files")
    names = re.compile(r"/(?:work|home|Users)/[a-z]")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in TEXT and path.exists() and path != Path(__file__):
            found = [line for line in path.read_text(encoding="utf-8").splitlines() if names.search(line)]
            assert not [line for line in found if not any(word in line for word in MADE_UP)], name


# packaging


def folders() -> list[str]:
    found = {p.parent.relative_to(ROOT).as_posix().replace("/", ".") for p in LIBRARY.rglob("__init__.py")}
    return sorted([*found, "nwb_mtm_cli"])


def test_the_list_of_packages_is_the_list_of_folders() -> None:
    tool = project()["tool"]
    assert sorted(tool["setuptools"]["packages"]) == folders()  # type: ignore[index]
    assert not [p for p in CLI.rglob("__init__.py") if p.parent != CLI]


def test_the_tested_set_satisfies_the_ranges() -> None:
    from packaging.requirements import Requirement

    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and line[0] != "#"
    )
    canonical = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    settings = project()["project"]
    assert isinstance(settings, dict)
    extras = [text for group in settings["optional-dependencies"].values() for text in group]
    for text in [*settings["dependencies"], *extras]:
        wanted = Requirement(text)
        if wanted.name != "setuptools":
            assert canonical[wanted.name.lower()] in wanted.specifier, text


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and a wheel made from it, from a clean copy of the sources."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("nwb_mtm", "cli", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", copy / "dist", cwd=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "dist"


def test_the_wheel_holds_the_two_packages_and_nothing_else(built: Path) -> None:
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"nwb_mtm", "nwb_mtm_cli"}
    ours = [p for p in LIBRARY.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    wanted = {p.relative_to(ROOT).as_posix() for p in ours}
    wanted |= {"nwb_mtm_cli/" + p.relative_to(CLI).as_posix() for p in CLI.glob("*.py")}
    assert wanted == {name for name in names if ".dist-info/" not in name}


def test_the_sdist_can_be_built_again_and_carries_the_licence(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {n.split("/", 1)[-1] for n in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "cli/main.py", "nwb_mtm/py.typed"} <= names


def test_the_metadata_is_fit_for_publishing(built: Path) -> None:
    from packaging.metadata import Metadata

    wheel = zipfile.ZipFile(next(built.glob("*.whl")))
    name = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    facts = Metadata.from_email(wheel.read(name), validate=True)
    assert facts.description_content_type == "text/markdown"
    assert facts.license_expression == "BSD-3-Clause"
    assert facts.summary
    assert len(facts.summary) < 120


def test_the_installed_distribution_names_no_package_called_cli_or_tests() -> None:
    text = metadata.distribution("nwb-mtm").read_text("top_level.txt") or ""
    assert set(text.split()) == {"nwb_mtm", "nwb_mtm_cli"}


def test_the_versions_agree() -> None:
    settings = project()["project"]
    assert isinstance(settings, dict)
    assert f"version: {settings['version']}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


# loading


@pytest.mark.parametrize("statement", ["import nwb_mtm", "import nwb_mtm_cli"])
def test_importing_the_library_or_the_commands_loads_nothing_heavy(statement: str) -> None:
    check = f"{statement}; import sys; print(sorted({{'torch', 'numpy', 'pynwb', 'h5py', 'rich'}} & set(sys.modules)))"
    assert run(sys.executable, "-c", check).stdout.strip() == "[]"


def test_help_loads_neither_torch_nor_pynwb() -> None:
    code = (
        "import sys, nwb_mtm_cli\nsys.argv = ['nwb-mtm', '--help']\n"
        "try:\n    nwb_mtm_cli.main()\nexcept SystemExit:\n    pass\n"
        "print('loaded', sorted({'torch', 'numpy', 'pynwb', 'h5py'} & set(sys.modules)))"
    )
    done = run(sys.executable, "-c", code)
    assert done.stdout.strip().endswith("loaded []"), done.stdout + done.stderr


def test_every_public_name_is_there() -> None:
    import nwb_mtm

    for name in nwb_mtm.__all__:
        assert getattr(nwb_mtm, name) is not None
    assert set(nwb_mtm.__all__) <= set(dir(nwb_mtm))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nwb_mtm.nothing  # noqa: B018


def test_importing_changes_no_setting_of_others() -> None:
    code = (
        "import os, logging, warnings\n"
        "before = (dict(os.environ), logging.root.level, list(logging.root.handlers), list(warnings.filters))\n"
        "import nwb_mtm.recording, nwb_mtm.config, nwb_mtm.splits\n"
        "assert before[0] == dict(os.environ) and before[1:3] == (logging.root.level, list(logging.root.handlers))\n"
    )
    assert run(sys.executable, "-c", code).returncode == 0


def test_the_tests_mirror_the_rooms() -> None:
    rooms = [p.name for p in LIBRARY.iterdir() if p.is_dir() and (p / "__init__.py").exists()]
    for name in rooms:
        assert list((ROOT / "tests").glob(f"{name}*")) or list((ROOT / "tests").glob(f"test_{name}*")), name
    importlib.invalidate_caches()


def test_the_conda_recipe_asks_for_what_the_project_asks_for() -> None:
    settings = project()["project"]
    assert isinstance(settings, dict)
    recipe = (ROOT / "recipe" / "meta.yaml").read_text(encoding="utf-8")
    theirs = {"matplotlib": "matplotlib-base", "torch": "pytorch"}
    for text in settings["dependencies"]:
        name, bound = re.match(r"([\w-]+)(.*)", text).groups()  # type: ignore[union-attr]
        assert f"- {theirs.get(name, name)} {bound}\n" in recipe, text
    assert f'version = "{settings["version"]}"' in recipe


def test_the_workflows_run_the_suite_that_make_test_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    fast = re.search(r"^FAST *:= (.+)$", makefile, re.MULTILINE)
    assert fast
    for name in ("tests.yml", "weekly.yml"):
        assert fast[1] in (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    assert fast[1] in (ROOT / "README.md").read_text(encoding="utf-8")
