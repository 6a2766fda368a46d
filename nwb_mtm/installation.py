"""What is installed here: versions, devices, cache, keys present (never their values), and what is missing."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nwb_mtm.archive.keys import variable_for
from nwb_mtm.errors import SourceError
from nwb_mtm.sources.store import default_folder

INSTANCES = ("dandi", "dandi-sandbox", "ember-dandi", "ember-dandi-sandbox", "linc", "linc-staging")
FREE_BYTES = 5 * 1024**3  # below this, a cache fills soon


@dataclass(frozen=True)
class Fact:
    """One thing that was looked at; `advice` says what to do when it is not well."""

    group: Literal["versions", "extras", "devices", "cache", "archives"]
    name: str
    found: str
    well: bool = True
    advice: str = ""


def examine() -> Iterator[Fact]:
    """Look at everything in turn; no network is used."""
    yield from _versions()
    yield from _extras()
    yield from _devices()
    yield from _cache()
    yield from _archives()


def _versions() -> Iterator[Fact]:
    yield Fact(
        "versions", "python", platform.python_version(), sys.version_info >= (3, 11), "Use Python 3.11 or later."
    )
    yield Fact("versions", "system", f"{platform.system()} {platform.release()}, {os.cpu_count()} cores")
    for requirement in ["nwb-mtm", *_required(None)]:
        yield _installed("versions", requirement, f"pip install '{requirement}'")


def _extras() -> Iterator[Fact]:
    offered = importlib.metadata.metadata("nwb-mtm").get_all("Provides-Extra") or []
    for extra in (e for e in offered if e not in ("dev", "docs")):
        for requirement in _required(extra):
            yield _installed("extras", requirement, f"pip install 'nwb-mtm[{extra}]', when you need it")


def _required(extra: str | None) -> list[str]:
    """Names that the distribution asks for, always or with one extra."""
    lines = importlib.metadata.requires("nwb-mtm") or []
    wanted = [line for line in lines if (f'extra == "{extra}"' in line if extra else "extra ==" not in line)]
    return [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in wanted]


def _installed(group: Literal["versions", "extras"], name: str, advice: str) -> Fact:
    try:
        return Fact(group, name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Fact(group, name, "not installed", False, advice)


def _devices() -> Iterator[Fact]:
    import torch

    yield Fact("devices", "cpu", f"{torch.get_num_threads()} threads")
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        yield Fact("devices", f"cuda:{index}", f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        yield Fact("devices", "mps", "present")
    if not torch.cuda.is_available() and torch.version.cuda is None and shutil.which("nvidia-smi"):
        yield Fact("devices", "cuda", "a GPU, but torch without CUDA", False, "Install torch with CUDA.")
    compiler = next((name for name in ("c++", "g++", "clang++", "cl") if shutil.which(name)), None)
    yield Fact("devices", "compiler", compiler or "none; models run uncompiled")


def _cache() -> Iterator[Fact]:
    try:
        folder = default_folder()
    except SourceError as error:
        yield Fact("cache", "folder", str(error), False, error.cure)
        return
    parent = next(p for p in [folder, *folder.parents] if p.exists())
    yield Fact(
        "cache",
        "folder",
        _from_home(folder),
        os.access(parent, os.W_OK),
        "Set NWB_MTM_CACHE to a folder you may write to.",
    )
    free = shutil.disk_usage(parent).free
    yield Fact("cache", "free space", f"{free / 2**30:.0f} GiB", free > FREE_BYTES, "Free some space.")
    if os.environ.get("NWB_MTM_OFFLINE"):
        yield Fact("cache", "NWB_MTM_OFFLINE", "set; no archive is asked")


def _from_home(path: Path) -> str:
    """A path as it may be shown to others: without the name of the user."""
    return f"~/{path.relative_to(Path.home()).as_posix()}" if path.is_relative_to(Path.home()) else path.as_posix()


def _archives() -> Iterator[Fact]:
    for instance in INSTANCES:
        variable = variable_for(instance)
        if os.environ.get(variable):
            yield Fact("archives", variable, "present")
    if not any(os.environ.get(variable_for(instance)) for instance in INSTANCES):
        yield Fact("archives", "keys", "none in the environment; open dandisets need none")
