"""Every example runs, on small simulated data, and stays small itself."""

import json
from pathlib import Path

import pytest
from documented import Target, run_each

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `session.nwb` and the dandiset `data/`."""
    from nwb_mtm import synthetic

    folder = tmp_path_factory.mktemp("examples")
    written = list(synthetic.write_dandiset(folder / "data", synthetic.simulate(sessions=2, units=40, trials=60)))
    (folder / "session.nwb").write_bytes(written[0].read_bytes())
    return folder


def usage(example: Path) -> str:
    """The last argument of the usage line in the docstring."""
    lines = [line for line in example.read_text(encoding="utf-8").splitlines() if "python examples/" in line]
    return lines[-1].split(f"{example.name}", 1)[1].strip()


FIRST = ("01_fit_one_file.py", "03_own_arrays.py")  # the others take longer


@pytest.fixture(scope="module")
def said(request: pytest.FixtureRequest, place: Path) -> dict[str, str]:
    """What went wrong in each example that was chosen."""
    chosen = {
        item.callspec.params.get("example")
        for item in request.session.items
        if item.name.startswith("test_the_example_runs[")
    }
    targets = []
    for example in (e for e in [*EXAMPLES, *NOTEBOOKS] if e in chosen):
        words = usage(example).split() if example.suffix == ".py" else []
        targets.append(Target(example, place, tuple(words)))
    return run_each(targets, NWB_MTM_CACHE=str(place / "cache"))


@pytest.mark.parametrize(
    "example",
    [e if e.name in FIRST else pytest.param(e, marks=pytest.mark.slow) for e in [*EXAMPLES, *NOTEBOOKS]],
    ids=lambda p: p.name,
)
def test_the_example_runs(example: Path, said: dict[str, str]) -> None:
    assert said.get(str(example), str(said)) == ""


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda p: p.name)
def test_a_script_is_under_60_lines(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_is_kept_without_outputs(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs")]


def test_examples_are_numbered_without_gaps() -> None:
    numbers = sorted(int(p.name[:2]) for p in [*EXAMPLES, *NOTEBOOKS])
    assert numbers == list(range(1, len(numbers) + 1))
