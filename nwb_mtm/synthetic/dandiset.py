"""A simulated dandiset on disk: NWB files in subject folders, and the truth beside them."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from nwb_mtm.errors import RunError
from nwb_mtm.synthetic.session import Simulated

CARD = """identifier: DANDI:000000
name: Simulated sessions of a decision task
description: >-
  Spikes drawn from known rates by nwb-mtm; no animal was involved. The rates are in the truth folder.
schemaKey: Dandiset
license:
- spdx:CC0-1.0
"""


@dataclass(frozen=True, eq=False)
class Truth:
    """The rates (Hz, 10-ms grid from t0) behind a simulated file."""

    rates: Float32[ndarray, "bin unit"]
    t0: float


def write_dandiset(folder: str | Path, simulated: Iterable[Simulated], *, existing: str = "error") -> Iterator[Path]:
    """Write session after session; yield each NWB file when it and its truth are in place."""
    from nwb_mtm.landing import settle
    from nwb_mtm.nwb.writer import write_recording

    root = Path(folder)
    (root / "truth").mkdir(parents=True, exist_ok=True)
    if not (root / "dandiset.yaml").exists():
        _move_in(CARD.encode(), root / "dandiset.yaml")
    for session in simulated:
        path = root / f"sub-{session.recording.subject}" / session.recording.source.name
        if settle(path, existing):
            write_truth(root / "truth", session)
            write_recording(session.recording, path, existing=existing)
        yield path


def write_truth(folder: Path, session: Simulated) -> None:
    """The rates as safetensors, everything else that was planted as JSON."""
    tensors = {"rates": np.ascontiguousarray(session.rates), "t0": np.array([session.t0], np.float64)}
    target = folder / f"{session.stem}.safetensors"
    temporary = target.with_name(f".{target.name}.part")
    save_file(tensors, temporary, metadata={"t0": repr(session.t0), "step": "0.01"})
    os.replace(temporary, target)
    _move_in(json.dumps(session.truth, indent=1).encode(), folder / f"{session.stem}.json")


def read_truth(source: str | Path, folder: str | Path | None = None) -> Truth | None:
    """The truth beside a simulated file (in `truth/`, or in `folder`); None when there is none."""
    path = find_truth(Path(source), None if folder is None else Path(folder))
    if path is None:
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            kept = "t0" in set(file.keys())
            t0 = file.get_tensor("t0").reshape(-1)[0] if kept else (file.metadata() or {}).get("t0", 0.0)
            return Truth(file.get_tensor("rates"), float(t0))
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is no truth file: {error}.", kind="bad_model") from error


def find_truth(source: Path, folder: Path | None = None) -> Path | None:
    """Where the truth of a file is."""
    folders = (folder,) if folder else (source.parent / "truth", source.parent.parent / "truth")
    names = [f / f"{source.name.removesuffix('.nwb')}.safetensors" for f in folders]
    return next((name for name in names if name.is_file()), None)


def read_facts(source: str | Path) -> Any:
    """What else was planted in a simulated file: couplings, true regions, flaws."""
    path = find_truth(Path(source))
    return {} if path is None else json.loads(path.with_suffix(".json").read_text())


def _move_in(content: bytes, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_bytes(content)
    os.replace(temporary, target)
