"""From a model and sources to decodings: read, cut as the model was trained, decode."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwb_mtm.config import Config
from nwb_mtm.decoding.decoder import DecodingConfig, decode
from nwb_mtm.decoding.results import Decoding
from nwb_mtm.errors import RecordingError, RunError
from nwb_mtm.regionmap.map import map_regions
from nwb_mtm.road.preparation import Session, prepare
from nwb_mtm.runs import UNLOGGED, log_opening
from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.checkpoint import Checkpoint
    from nwb_mtm.road.gathering import Said
    from nwb_mtm.sources.reading import Progress, SourceOptions

NO_MODEL = "counts"  # in place of a model: decode the spikes alone


def decode_sources(
    model: "Checkpoint | str | Path",
    sources: Sequence[str],
    *,
    targets: Sequence[str] | None = None,
    config: DecodingConfig | None = None,
    source_options: "SourceOptions | None" = None,
    settings: Config | None = None,
    strict: bool = False,
) -> "Iterator[Said | Progress | Decoding]":
    """Decode every session of the sources; `model` may be `counts`, for no model at all.

    Sessions keep the split they were trained with. Settings are the model's own unless given. With `strict`, the
    first source that cannot be used stops it.
    """
    from nwb_mtm.checkpoint import load
    from nwb_mtm.predictor import splits_of
    from nwb_mtm.road.gathering import Gathered, Said, gather

    checkpoint = None if str(model) == NO_MODEL else load(model)
    chosen = settings or (Config() if checkpoint is None else checkpoint.config)
    for event in gather(sources, chosen, source_options, strict=strict):
        if not isinstance(event, Gathered):
            yield event
        else:
            known = splits_of(() if checkpoint is None else (checkpoint,))
            prepared = prepare(event.recordings, chosen, known=known, listed=event.listed)
            yield from (Said(f"{name} is skipped: {error}", warning=True) for name, error in prepared.skipped)
            for session in prepared.sessions:
                yield Said(session.reason)
                yield from (Said(text, warning=True) for text in _other_windows(session.windows, checkpoint))
            if not log_opening(model, "decode", len(prepared.sessions)):
                yield Said(UNLOGGED, warning=True)
            for session in prepared.sessions:
                found = _decode_one(session, checkpoint, targets or session.targets, config)
                yield found
                if not found.is_decoded:
                    yield from (Said(text, warning=True) for text in _other_tables(session))


def _other_windows(windows: Windows, checkpoint: "Checkpoint | None") -> Iterator[str]:
    """That windows are cut otherwise than those the model was trained on."""
    key, now = windows.session, windows.alignment
    trained = checkpoint.provenance.get("sources", ()) if checkpoint is not None else ()
    before = next((one["alignment"] for one in trained if one.get("key") == key and one.get("alignment")), now)
    if before != now:
        yield f"{key}: the model was trained on windows of {before}; these are {now}"


def _other_tables(session: Session) -> Iterator[str]:
    """Tables of intervals whose columns could be decoded, when nothing else can."""
    recording, own = session.recording, session.windows.trials
    others = {path.rpartition("/")[2]: t for path, t in recording.intervals.items() if t is not own and t.columns}
    held = "; ".join(f"{name} ({', '.join(list(t.columns)[:6])})" for name, t in others.items())
    if held:
        yield f"{recording.key}: tables of intervals with columns: {held}. Decode one with --trials TABLE."


def _decode_one(
    session: Session, checkpoint: "Checkpoint | None", targets: Sequence[str] | None, config: DecodingConfig | None
) -> Decoding:
    if checkpoint is not None and session.windows.session not in checkpoint.vocabulary.units:
        raise RunError(
            f"The model was not trained on {session.windows.session}, so it has no rates or latents for it. "
            f"Fit it first, or give {NO_MODEL!r} in place of the model to decode its spikes alone.",
            kind="does_not_fit",
        )
    return decode(session.windows, checkpoint, targets=targets, config=config)


def session_parts(
    windows: Windows,
    model: "Checkpoint | None" = None,
    *,
    targets: Sequence[str] | None = None,
    config: DecodingConfig | None = None,
) -> dict[str, dict[str, Any]]:
    """What scores.json holds of one session under `decoding` and `regions`; empty where there is nothing to say."""
    decoding = decode(windows, model, targets=targets, config=config).to_json()
    try:
        regions = map_regions(windows).to_json()
    except RecordingError as error:
        if error.kind != "nothing_to_do":
            raise
        regions = {"reason": str(error)}
    return {"decoding": decoding, "regions": regions}
