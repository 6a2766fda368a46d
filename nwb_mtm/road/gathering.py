"""From what was typed to recordings, with a word about everything left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nwb_mtm.config import Config
from nwb_mtm.errors import NwbMtmError, RecordingError, RunError
from nwb_mtm.joining import join_probes
from nwb_mtm.levels import with_one_level
from nwb_mtm.nwb.reader import ReadOptions
from nwb_mtm.recording import Recording
from nwb_mtm.sources.manifest import SourceSettings
from nwb_mtm.sources.reading import Progress, SourceItem, SourceOptions, follow, resolve_all


@dataclass(frozen=True)
class Said:
    """A sentence for the user."""

    text: str
    warning: bool = False


@dataclass(frozen=True, eq=False)
class Gathered:
    """What was read, with the files it came from."""

    recordings: tuple[Recording, ...]
    items: Mapping[str, SourceItem]
    failed: tuple[tuple[str, NwbMtmError], ...]

    @property
    def listed(self) -> dict[str, SourceSettings]:
        """What a reviewed list says of every session."""
        return {key: item.settings for key, item in self.items.items()}


def read_options(config: Config) -> ReadOptions:
    """What a run reads of every file."""
    units = config.units
    return ReadOptions(
        units_path=units.table or None,
        quality=units.quality,
        regions_from=units.regions_from or None,
        regions=units.regions,
        region_level="raw" if units.region_level == "auto" else units.region_level,  # auto: one level for the run
        trials=units.trials or None,
        within=units.within or None,
    )


def gather(
    sources: Sequence[str],
    config: Config,
    options: SourceOptions | None = None,
    *,
    strict: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Said | Progress | Gathered]:
    """Find and read every source; what cannot be read is said and skipped. Progress is that of remote files."""
    resolution = resolve_all(sources, options)
    yield from (Said(note) for note in resolution.notes)
    yield from (Said(f"{left.name} is left out: {left.why}") for left in resolution.left)
    recordings: list[Recording] = []
    items: dict[str, SourceItem] = {}
    failed: list[tuple[str, NwbMtmError]] = []
    wanted = read_options(config)
    used = [item for item in resolution.items if item.settings.role != "held-out"]
    yield from (Said(f"{item.name} is held out, as its list says") for item in resolution.items if item not in used)
    alone = len(used) == 1  # then its error is the answer
    for event in follow(used, selection=wanted, options=options, strict=strict or alone):
        if stop():
            raise RunError("Stopped while reading the sources; nothing is trained yet.", kind="stopped")
        if isinstance(event, Progress):
            yield event
            continue
        item, result = event.item, event.result
        if isinstance(result, NwbMtmError):
            failed.append((item.name, result))
            yield Said(f"{item.name} is skipped: {result}", warning=True)
            continue
        yield Said(f"{item.name}: {result}")
        recordings.append(result)
        items[result.key] = item
    if failed and not recordings:
        reasons = "; ".join(f"{name}: {error}" for name, error in failed)
        raise RecordingError(f"No recording can be used ({reasons}).", kind="nothing_to_do")
    if config.units.join_probes:
        recordings = list(join_probes(recordings))
    level = config.units.region_level
    levelled = with_one_level(recordings, "auto") if level == "auto" else tuple(recordings)
    yield Gathered(levelled, items, tuple(failed))
