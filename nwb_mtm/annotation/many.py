"""Many sources: in parallel, each for itself; one that fails does not stop the rest."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nwb_mtm.annotation.dandisets import describe, in_dandiset, write_card
from nwb_mtm.annotation.naming import archive_path
from nwb_mtm.annotation.options import Options
from nwb_mtm.annotation.writing import Annotated, annotate, read_as_trained, read_options
from nwb_mtm.archive.assets import Asset
from nwb_mtm.errors import KINDS, NwbMtmError
from nwb_mtm.recording import Recording, Source
from nwb_mtm.sources.reading import Outcome as Read
from nwb_mtm.sources.reading import Progress, follow
from nwb_mtm.sources.resolution import SourceItem, SourceOptions, resolve

ELSEWHERE = "Write elsewhere with -o FOLDER, or pass -e overwrite (or -e skip)."


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
            cure = ELSEWHERE if self.kind == "exists" else KINDS.get(self.kind, "")
            return f"{self.source}: {self.error}{f' {cure}' if cure and cure not in self.error else ''}"
        if self.done.skipped:
            return f"{self.source}: kept {self.done.path.name}, {self.done.reason}"
        why = f" ({_sidecar(self.done.reason)})" if self.done.mode == "sidecar" and self.done.reason else ""
        return f"{self.source}: wrote {self.done.path.name}{why}"

    def row(self) -> tuple[object, ...]:
        """One row of the summary."""
        if self.done is None or self.done.skipped:
            return (self.source, "failed" if self.error else "kept", "-", "-", "-", "-")
        done = self.done
        bps = f"{done.bps:.3f}" if math.isfinite(done.bps) else "-"
        return (self.source, done.path.name, done.units, f"{done.share:.1%}", bps, done.reliable)

    def to_json(self) -> dict[str, Any]:
        """Plain values; a score that is not defined is null."""
        if self.done is None:
            return {"source": self.source, "error": self.error, "kind": self.kind}
        plain = {**asdict(self.done), "path": str(self.done.path)}
        return {**plain, "bps": self.done.bps if math.isfinite(self.done.bps) else None}


def _sidecar(reason: str) -> str:
    return "a sidecar, as asked" if reason == "as asked" else f"a sidecar, because {reason}"


def annotate_all(
    model: Any,
    sources: Sequence[str],
    *,
    out: Path | None = None,
    options: Options | None = None,
    jobs: int = 1,
    source_options: SourceOptions | None = None,
    strict: bool = False,
) -> Iterator[Progress | Outcome]:
    """Annotate every file of the sources; from dandisets, `out` becomes a derivative dandiset.

    Remote files are read ahead, several at once, while those that are here are annotated.
    """
    items = resolve(sources, source_options)
    work = _Work(model, out, options or Options(), source_options, strict)
    origins: list[Source] = []
    for event in _each(work, items, jobs):
        if isinstance(event, Outcome) and event.origin is not None:
            origins.append(event.origin)
        yield event
    if out is not None and origins and any(in_dandiset(item) for item in items):
        write_card(out, describe(origins))


@dataclass(frozen=True)
class _Work:
    """What is done to every file; what goes wrong is told, not raised, unless `strict`."""

    model: Any
    out: Path | None
    options: Options
    source_options: SourceOptions | None
    strict: bool

    def __call__(self, item: SourceItem, recording: Recording | None = None) -> Outcome:
        try:
            if recording is None:
                recording = read_as_trained(item, self.model, self.source_options)
            source = recording if isinstance(item.place, Asset) else item.place
            target = _target(item, self.out, recording.subject, recording.session, self.options)
            wanted = replace(self.options, targets=item.settings.targets) if item.settings.targets else self.options
            done = annotate(source, self.model, out=target, options=wanted, recording=recording)
        except NwbMtmError as error:
            return self.failed(item, error)
        return Outcome(item.name, replace(done, source=item.name), origin=recording.source)

    def failed(self, item: SourceItem, error: NwbMtmError) -> Outcome:
        """The outcome of a file that cannot be used."""
        if self.strict:
            raise error
        return Outcome(item.name, error=str(error), kind=error.kind)


def _each(work: _Work, items: Sequence[SourceItem], jobs: int) -> Iterator[Progress | Outcome]:
    if jobs <= 1 or len(items) == 1:
        for event in _read_ahead(work, items):
            yield event if isinstance(event, Progress) else _annotated(work, event)
        return
    with ProcessPoolExecutor(min(jobs, len(items)), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(work, item) for item in items if isinstance(item.place, Path)]
        failed: list[Outcome] = []
        for event in _read_ahead(work, [item for item in items if isinstance(item.place, Asset)]):
            if isinstance(event, Progress):
                yield event
            elif isinstance(event.result, NwbMtmError):
                failed.append(work.failed(event.item, event.result))
            else:
                futures.append(pool.submit(work, event.item))  # from the cache
        yield from failed
        yield from (future.result() for future in futures)


def _read_ahead(work: _Work, items: Sequence[SourceItem]) -> Iterator[Progress | Read]:
    return follow(items, selection=read_options(work.model), options=work.source_options)


def _annotated(work: _Work, read: Read) -> Outcome:
    if isinstance(read.result, NwbMtmError):
        return work.failed(read.item, read.result)
    return work(read.item, read.result)


def _target(
    item: SourceItem, out: Path | None, subject: str | None, session: str | None, options: Options
) -> Path | None:
    if out is None or options.mode == "in-place":
        return None
    if in_dandiset(item):
        return out / archive_path(item.name, subject, session)
    return out
