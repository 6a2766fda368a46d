"""Where outputs land: under a temporary name first, then moved into place in one step."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nwb_mtm.errors import RunError

EXISTING = ("error", "skip", "overwrite")


def settle(path: Path, existing: str) -> bool:
    """Whether to write: yes when nothing is there or it may be replaced, no when it is to be kept."""
    if existing not in EXISTING:
        raise ValueError(f"existing is one of {EXISTING}, not {existing!r}")
    if not os.path.lexists(path) or existing == "overwrite":
        return True
    if existing == "skip":
        return False
    place = f" in {path.parent.name}" if path.parent.name else ""
    raise RunError(f"{path.name} exists already{place}.", kind="exists")


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """A temporary path beside the target: moved onto it when all went well, removed when not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"Cannot make the folder for {path.name}: {error.strerror}.", kind="cannot_write") from error
    temporary = path.with_name(f".part-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        _flush(temporary)
        _move(temporary, path)
    except OSError as error:
        raise RunError(f"Cannot write {path.name}: {error.strerror or error}.", kind="cannot_write") from error
    finally:
        discard(temporary)


def sweep(path: Path) -> None:
    """Remove what an earlier, killed attempt at the same target left behind."""
    for rest in path.parent.glob(f".part-*-{path.name}"):
        discard(rest)


def discard(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(FileNotFoundError):
        path.unlink()


def _move(temporary: Path, path: Path) -> None:
    """A folder cannot be moved onto another one: the old one steps aside for the moment."""
    if not (temporary.is_dir() and path.is_dir()):
        os.replace(temporary, path)
        return
    aside = temporary.with_name(f"{temporary.name}.old")
    os.replace(path, aside)
    os.replace(temporary, path)
    discard(aside)


def _flush(path: Path) -> None:
    if path.is_dir():
        return
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
