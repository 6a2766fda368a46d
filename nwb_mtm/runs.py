"""The run folder: one place for what a fit leaves behind, each file written in one move."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nwb_mtm.errors import RunError
from nwb_mtm.landing import placing

UNLOGGED = "this look at test time could not be added to the run's openings.jsonl: the folder cannot be written"
Existing = Literal["error", "skip", "overwrite"]
FILES = (
    "config.toml",
    "model.safetensors",
    "resume.safetensors",
    "scores.json",
    "units.csv",
    "steps.jsonl",
    "figures.safetensors",
    "finetuning.json",
    "scores.csv",
    "report.html",
    "sources.json",
    "openings.jsonl",
    "evaluating.json",
)


FOLDS = "folds"
EVALUATED = "evaluated"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """Settings, with the steps the budget came to."""
        return self.path / "config.toml"

    @property
    def model(self) -> Path:
        """The selected model."""
        return self.path / "model.safetensors"

    @property
    def resume(self) -> Path:
        """All that training needs to go on."""
        return self.path / "resume.safetensors"

    @property
    def scores(self) -> Path:
        """Scores, baselines and checks."""
        return self.path / "scores.json"

    @property
    def steps(self) -> Path:
        """One line for every reported step."""
        return self.path / "steps.jsonl"

    @property
    def sources(self) -> Path:
        """What was read, and what was left out."""
        return self.path / "sources.json"

    @property
    def figures(self) -> Path:
        """Activity behind the report's pictures."""
        return self.path / "figures.safetensors"

    @property
    def finetuning(self) -> Path:
        """A model that was started from another one, held against one from scratch."""
        return self.path / "finetuning.json"

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.path / "report.html"

    @property
    def evaluating(self) -> Path:
        """There while a trained model waits for its scores, with what an evaluation needs to go on."""
        return self.path / "evaluating.json"

    @property
    def evaluated(self) -> Path:
        """A folder of what was found in single sessions, there until all are scored."""
        return self.path / EVALUATED

    def fold(self, number: int) -> "RunFolder":
        """The folder of one of several models, counted from 0; it is a run folder too."""
        path = self.path / FOLDS / str(number + 1)
        path.mkdir(parents=True, exist_ok=True)
        return RunFolder(path)

    def copy(self, fold: "RunFolder") -> None:
        """Take over the model and the steps of one fold, for whatever takes one model."""
        for source, target in ((fold.steps, self.steps), (fold.model, self.model)):
            with placing(target) as temporary:
                shutil.copyfile(source, temporary)

    def log_step(self, line: Mapping[str, Any]) -> None:
        """Append one line to steps.jsonl."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self.steps.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def cut_steps(self, last: int) -> None:
        """Forget lines after a step, so that a resumed run logs each step once."""
        kept = [line for line in self.read_steps() if line["step"] <= last]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_text(self.steps, text)

    def read_steps(self) -> list[dict[str, Any]]:
        """All lines of steps.jsonl; a last line cut short by a crash is left out."""
        return _lines(self.steps)

    @property
    def openings(self) -> Path:
        """One line for every time that test windows were scored with this model."""
        return self.path / "openings.jsonl"

    def log_opening(self, by: str, sessions: int) -> bool:
        """Remember that test windows were scored: each look makes a later choice less blind. False if it cannot."""
        try:
            with self.openings.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"by": by, "sessions": sessions}) + "\n")
        except OSError:
            return False
        return True

    def read_openings(self) -> list[dict[str, Any]]:
        """All lines of openings.jsonl."""
        return _lines(self.openings)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one on each line, up to a line that a crash cut short."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text file in one move."""
    with placing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one move; NaN is refused, missing values are null."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def create(path: Path, existing: Existing = "error") -> RunFolder | None:
    """A fresh run folder, made by its first file; None to skip one that exists. Only our own files are removed."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; a run needs a folder.", kind="exists")
    folders = [path, *_folds(path)]
    ours = [folder / name for folder in folders for name in FILES if (folder / name).exists()]
    if ours and existing == "error":
        stopped = any((path / name).exists() for name in ("resume.safetensors", "evaluating.json"))
        going_on = f", which was stopped; go on with nwb-mtm fit --resume {path}" if stopped else ""
        raise RunError(f"{path} already holds a run{going_on}.", kind="exists")
    if ours and existing == "skip":
        return None
    for file in ours:
        file.unlink()
    shutil.rmtree(path / EVALUATED, ignore_errors=True)
    _try_to_make(path)
    return RunFolder(path)


def _try_to_make(path: Path) -> None:
    """Say early that a folder cannot be made; the first file in it makes it, so that nothing leaves none behind."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for one in missing:
            one.rmdir()
    except OSError as error:
        raise RunError(f"Cannot make the folder {path}: {error.strerror}.", kind="cannot_write") from error


def default_folder(first_source: str, stamp: str) -> Path:
    """`runs/<first source>-<date>-<time>`, in letters every file system takes.

    >>> default_folder("data/sub 1.nwb", "20260102-030405").as_posix()
    'runs/sub-1-20260102-030405'
    """
    stem = re.sub(r"(\.nwb)?(\.zarr)?$", "", Path(first_source.rstrip("/")).name)
    return Path("runs") / f"{re.sub(r'[^A-Za-z0-9._+-]+', '-', stem).strip('-.') or 'run'}-{stamp}"


def _folds(path: Path) -> list[Path]:
    """The folders of several models, in order."""
    inside = [one for one in (path / FOLDS).glob("*") if one.name.isdecimal()]
    return sorted(inside, key=lambda one: int(one.name))


def model_files(model: str | Path) -> tuple[Path, ...]:
    """The .safetensors files behind a MODEL: one, or those of a run that was fitted in folds."""
    one = model_file(model)
    inside = [folder / one.name for folder in _folds(Path(model))]
    return tuple(file for file in inside if file.is_file()) or (one,)


def model_file(model: str | Path) -> Path:
    """The .safetensors file behind a MODEL: a run folder or the file itself."""
    path = Path(model)
    inside = path / "model.safetensors"
    if path.is_dir() and inside.is_file():
        return inside
    if path.is_file() and path.suffix == ".safetensors":
        return path
    what = "a folder without model.safetensors" if path.is_dir() else "a file" if path.exists() else "not there"
    raise RunError(f"{path} is {what}; a MODEL is a run folder or a .safetensors file.", kind="not_a_run")


def run_of(model: object) -> RunFolder | None:
    """The run folder that a MODEL is, if it is one."""
    there = isinstance(model, str | Path) and (Path(model) / "model.safetensors").is_file()
    return RunFolder(Path(str(model))) if there else None


def log_opening(model: object, by: str, sessions: int) -> bool:
    """Remember in a model's run folder that its test windows were scored; nothing to do for other models."""
    run = run_of(model)
    return run is None or run.log_opening(by, sessions)
