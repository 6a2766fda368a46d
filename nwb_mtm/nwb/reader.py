"""From a source to a Recording, by the specification's paths; nothing is dropped silently."""

from collections.abc import Iterator
from typing import Any

from nwb_mtm.errors import RecordingError
from nwb_mtm.nwb.behavior import by_preference, survey
from nwb_mtm.nwb.contents import MOST_BEHAVIORS, Contents
from nwb_mtm.nwb.gathering import gather
from nwb_mtm.nwb.opening import open_source
from nwb_mtm.nwb.options import Prefetch, ReadOptions
from nwb_mtm.nwb.selecting import select
from nwb_mtm.nwb.series import Candidate
from nwb_mtm.nwb.view import as_text
from nwb_mtm.recording import Behavior, Recording, Source, session_key

__all__ = ["ReadOptions", "read"]


def read(
    source: Any,
    options: ReadOptions | None = None,
    *,
    prefetch: Prefetch | None = None,
    name: str | None = None,
) -> Recording:
    """Read a path, file-like object, open h5py or zarr group, or NWBFile.

    `prefetch` is called once, with the byte ranges of all that is about to be read whole.
    """
    options = options or ReadOptions()
    with open_source(source, name=name) as opened:
        return to_recording(gather(opened, options, prefetch), options)


def to_recording(contents: Contents, options: ReadOptions) -> Recording:
    """The recording that a file's contents make under the options."""
    chosen = select(contents, options)
    subject, session = contents.text("general/subject/subject_id"), contents.text("general/session_id")
    behaviors = dict(_behaviors(contents, options))
    intervals = dict(contents.intervals)
    if chosen.trials is not None:
        intervals[chosen.trials.path] = chosen.trials
    return Recording(
        key=session_key(subject, session, contents.text("identifier") or ""),
        session=session,
        subject=subject,
        units=chosen.units,
        spikes=contents.spikes,
        trials=chosen.trials,
        intervals=intervals,
        behaviors=behaviors,
        observed=chosen.observed,
        source=_source(contents),
        region_level=chosen.region_level,
    )


def _behaviors(contents: Contents, options: ReadOptions) -> Iterator[tuple[str, Behavior]]:
    """The series that are wanted and usable; one that was named and is not is an error."""
    named = () if isinstance(options.behaviors, str) else options.behaviors
    taken = 0
    for candidate in _offered(contents, options):
        looked = survey(candidate, contents.span, local=contents.opened.local, load=True)
        if looked.series is not None:
            taken += 1
            yield candidate.path, looked.series
        elif candidate.path in named:
            raise RecordingError(f"{candidate.path} cannot be used: it {looked.note}.", kind="bad_selection")
        if options.behaviors == "auto" and taken == MOST_BEHAVIORS:
            return


def _offered(contents: Contents, options: ReadOptions) -> tuple[Candidate, ...]:
    if options.behaviors == "none":
        return ()
    if isinstance(options.behaviors, str):
        return by_preference(contents.candidates)
    known = {candidate.path: candidate for candidate in contents.candidates}
    missing = [path for path in options.behaviors if path not in known]
    if missing:
        raise RecordingError(
            f"The file has no series {missing[0]}; it has: {', '.join(known) or 'none'}.", kind="bad_selection"
        )
    return tuple(known[path] for path in options.behaviors)


def _source(contents: Contents) -> Source:
    return Source(
        name=contents.opened.name,
        identifier=contents.text("identifier") or "",
        object_id=as_text(contents.opened.root.attrs.get("object_id", "")),
        species=contents.text("general/subject/species") or "",
        session_start_time=contents.text("session_start_time") or "",
        sex=contents.text("general/subject/sex") or "",
        age=contents.text("general/subject/age") or "",
        backend=contents.opened.backend,
        warnings=tuple(contents.warnings.found),
    )
