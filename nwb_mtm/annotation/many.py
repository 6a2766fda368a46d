"""Many sources: in parallel, each for itself; one that fails does not stop the rest."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nwb_mtm.annotation.dandisets import describe, in_dandiset, write_card
from nwb_mtm.annotation.naming import archive_path
from nwb_mtm.annotation.writing import Annotated, Options, annotate, read_as_trained
from nwb_mtm.archive.assets import Asset
from nwb_mtm.errors import NwbMtmError
from nwb_mtm.recording import Source
from nwb_mtm.sources.resolution import SourceItem, SourceOptions, resolve


@dataclass(frozen=True)
class Outcome:
    """What came of one source."""

    source: str
    done: Annotated | None = None
    error: str = ""
    kind: str = ""
    origin: Source | None = None

    def line(self) -> str:
        """One line for the eye."""
        if self.done is None:
            return f"{self.source}: {self.error}"
        if self.done.skipped:
            return f"{self.source}: kept {self.done.path.name}, {self.done.reason}"
        why = f" (a sidecar, because {self.done.reason})" if self.done.mode == "sidecar" and self.done.reason else ""
        return f"{self.source}: wrote {self.done.path.name}{why}"

    def row(self) -> tuple[object, ...]:
        """One row of the summary."""
        if self.done is None or self.done.skipped:
            return (self.source, self.error or "kept", "-", "-", "-", "-")
        done = self.done
        bps = f"{done.bps:.3f}" if math.isfinite(done.bps) else "-"
        return (self.source, done.path.name, done.units, f"{done.share:.1%}", bps, done.reliable)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a score that is not defined is null."""
        if self.done is None:
            return {"source": self.source, "error": self.error, "kind": self.kind}
        plain = {**asdict(self.done), "path": str(self.done.path)}
        return {**plain, "bps": self.done.bps if math.isfinite(self.done.bps) else None}


def annotate_all(
    model: Any,
    sources: Sequence[str],
    *,
    out: Path | None = None,
    options: Options | None = None,
    jobs: int = 1,
    source_options: SourceOptions | None = None,
    strict: bool = False,
) -> Iterator[Outcome]:
    """Annotate every file of the sources; from dandisets, `out` becomes a derivative dandiset."""
    chosen = options or Options()
    items = resolve(sources, source_options)
    work = partial(annotate_item, model, out=out, options=chosen, source_options=source_options, strict=strict)
    origins: list[Source] = []
    for outcome in _map(work, items, jobs):
        if outcome.origin is not None:
            origins.append(outcome.origin)
        yield outcome
    if out is not None and origins and any(in_dandiset(item) for item in items):
        write_card(out, describe(origins))


def _map(work: Any, items: Sequence[SourceItem], jobs: int) -> Iterator[Outcome]:
    if jobs <= 1 or len(items) == 1:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(min(jobs, len(items)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, items)


def annotate_item(
    model: Any,
    item: SourceItem,
    *,
    out: Path | None,
    options: Options,
    source_options: SourceOptions | None = None,
    strict: bool = False,
) -> Outcome:
    """One file; what goes wrong is told, not raised, unless `strict`."""
    try:
        recording = read_as_trained(item, model, source_options)
        source = recording if isinstance(item.place, Asset) else item.place
        target = _target(item, out, recording.subject, recording.session, options)
        done = annotate(source, model, out=target, options=options, recording=recording)
    except NwbMtmError as error:
        if strict:
            raise
        return Outcome(item.name, error=str(error), kind=error.kind)
    return Outcome(item.name, replace(done, source=item.name), origin=recording.source)


def _target(
    item: SourceItem, out: Path | None, subject: str | None, session: str | None, options: Options
) -> Path | None:
    if out is None or options.mode == "in-place":
        return None
    if in_dandiset(item):
        return out / archive_path(item.name, subject, session)
    return out
