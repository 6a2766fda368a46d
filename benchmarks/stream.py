"""What streaming moves: requests, bytes and time, against an archive on this machine with latency.

python benchmarks/stream.py            a file of about 200 MB
python benchmarks/stream.py --full     a file of about 1 GB
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hdmf.backends.hdf5 import H5DataIO
from hdmf.common import ElementIdentifiers, VectorData, VectorIndex
from loopback import LoopbackArchive
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.epoch import TimeIntervals
from pynwb.file import Subject
from pynwb.misc import Units

from nwb_mtm.archive.remote import RemoteFile, connect
from nwb_mtm.archive.transfer import RangeFetcher
from nwb_mtm.nwb.options import ReadOptions
from nwb_mtm.nwb.reader import read
from nwb_mtm.sources.reading import Outcome, SourceItem, SourceOptions, follow, resolve

UNITS, SPIKES, SERIES, TABLES = 400, 5_000_000, 60, 25
CHANNELS = 384
MB = 1e6
READ = ReadOptions(behaviors="none")


class Counted(RemoteFile):
    """A remote file that knows how much of it was needed: what was announced, and blocks met without notice."""

    BLOCK = 512 * 1024

    def __init__(self, fetcher: RangeFetcher) -> None:
        self.announced = 0
        self.told: tuple[tuple[int, int], ...] = ()
        self.blocks = {0}
        super().__init__(fetcher)

    def prefetch(self, extents: Iterable[tuple[int, int]]) -> None:
        """Add up the extents, each byte once."""
        self.told = tuple(sorted(extents))
        end = 0
        for start, length in self.told:
            self.announced += max(0, start + length - max(start, end))
            end = max(end, start + length)
        super().prefetch(self.told)

    def announce(self, places: Iterable[int]) -> None:
        """Headers are met by blocks."""
        known = list(places)
        self.blocks |= {place // self.BLOCK for place in known}
        super().announce(known)

    def readinto(self, buffer: object) -> int:
        """Note the blocks that nobody had announced."""
        start, length = self.tell(), len(memoryview(buffer).cast("B"))  # type: ignore[arg-type]
        known = any(first <= start and start + length <= first + size for first, size in self.told)
        if not known:
            self.blocks |= set(range(start // self.BLOCK, (start + length - 1) // self.BLOCK + 1))
        return super().readinto(buffer)

    @property
    def needed(self) -> int:
        """Bytes that could not be done without."""
        return self.announced + len(self.blocks) * self.BLOCK


def write_session(path: Path, raw_bytes: int, *, units: int = UNITS, spikes: int = SPIKES, seed: int = 0) -> None:
    """A session as large archives hold them: raw data, many series, many tables, wide units."""
    rng = np.random.default_rng(seed)
    session = NWBFile("benchmark", f"id-{seed}", datetime(2024, 1, 1, tzinfo=UTC), session_id=f"s{seed}")
    session.subject = Subject(subject_id=f"m{seed}", species="Mus musculus", sex="U", age="P90D")
    _add_electrodes(session)
    table = session.create_electrode_table_region(list(range(CHANNELS)), "all")
    block = rng.integers(-500, 500, (8192, CHANNELS)).astype(np.int16)
    raw = np.tile(block, (max(1, raw_bytes // block.nbytes), 1))
    session.add_acquisition(
        ElectricalSeries(name="raw", data=H5DataIO(raw, chunks=block.shape), electrodes=table, rate=30000.0)
    )
    _add_series(session, rng)
    _add_tables(session, rng)
    _add_units(session, units, spikes, rng)
    with NWBHDF5IO(path, "w") as io:
        io.write(session)


def _add_electrodes(session: NWBFile) -> None:
    device = session.create_device("probe")
    group = session.create_electrode_group("shank", "a shank", "brain", device)
    for row in range(CHANNELS):
        session.add_electrode(group=group, location=f"region{row // 64}", x=0.0, y=20.0 * row, z=0.0)


def _add_series(session: NWBFile, rng: np.random.Generator) -> None:
    module = session.create_processing_module("behavior", "series")
    for number in range(SERIES):
        values = rng.normal(size=20_000)
        stamps = np.arange(20_000) * 0.05
        module.add(TimeSeries(name=f"series{number}", data=values, unit="m", timestamps=stamps))


def _add_tables(session: NWBFile, rng: np.random.Generator) -> None:
    for number in range(TABLES):
        table = TimeIntervals(name=f"stimulus{number}", description="presentations")
        table.add_column("contrast", "contrast")
        table.add_column("image", "name of the image")
        for start in np.sort(rng.uniform(0, 1000, 100)):
            table.add_row(start_time=start, stop_time=start + 0.3, contrast=float(rng.uniform()), image=f"i{start:.0f}")
        session.add_time_intervals(table)
    session.add_trial_column("cue_time", "cue")
    session.add_trial_column("choice", "left or right")
    for start in np.arange(600) * 1.6:
        session.add_trial(start, start + 1.5, cue_time=start + 0.2, choice=("left", "right")[int(rng.integers(2))])


def _add_units(session: NWBFile, units: int, spikes: int, rng: np.random.Generator) -> None:
    """The table as whole columns, which is quicker than row by row."""
    each = spikes // units
    times = np.sort(rng.uniform(0, 1000, (units, each)), axis=1).ravel()
    ends = np.arange(1, units + 1) * each
    flat = {name: rng.uniform(0, 9, units) for name in ("snr", "isi_violations", "presence_ratio", "firing_rate")}
    flat["peak_channel_id"] = np.arange(units) % CHANNELS
    flat["waveform_mean"] = rng.normal(size=(units, 82, 40))
    columns = [_column(name, values) for name, values in flat.items()]
    columns.append(_column("quality", ["good"] * units))
    for name, values in (("spike_times", times), ("spike_amplitudes", rng.normal(size=len(times)))):
        ragged = _column(name, values)
        columns += [ragged, VectorIndex(name=f"{name}_index", target=ragged, data=ends)]
    ids = ElementIdentifiers(name="id", data=np.arange(units))
    session.units = Units(name="units", description="units", columns=columns, id=ids)


def _column(name: str, values: object) -> VectorData:
    return VectorData(name=name, description=name, data=values)


@contextmanager
def served(files: dict[str, Path], latency: float) -> Iterator[tuple[LoopbackArchive, SourceOptions]]:
    """An archive that holds the files as dandiset 000409, and an empty cache."""
    with LoopbackArchive(latency=latency) as archive, tempfile.TemporaryDirectory() as cache:
        for path, file in files.items():
            archive.add("000409", path, file, subject=path[4:6])
        yield archive, SourceOptions(instance=archive.url, cache_dir=Path(cache))


def measure_one(file: Path) -> None:
    """One large file at 40 ms: requests, how many of them in turn, and bytes against the bytes needed."""
    with served({"sub-m0/sub-m0.nwb": file}, 0.04) as (archive, options):
        (item,) = resolve(["000409"], options)
        archive.log.clear()
        started = time.perf_counter()
        with Counted(connect(item.place)) as counted:  # type: ignore[arg-type]
            recording = read(counted, READ, prefetch=counted.prefetch)
        seconds = time.perf_counter() - started
        log = archive.data_log()
        moved = sum(exchange.sent for exchange in log)
        needed = counted.needed
        print(f"{recording!r} from {file.stat().st_size / MB:,.0f} MB in {seconds:.2f} s")
        line("requests", len(log), "at most 25", len(log) <= 25)
        chain = archive.longest_chain()
        line("one after another", chain, "at most 14 (aim 8)", chain <= 14)
        ratio = moved / needed
        line(
            f"MB moved ({needed / MB:.1f} needed)", f"{moved / MB:.1f}", f"at most 1.15 x: {ratio:.2f} x", ratio <= 1.15
        )


def measure_again(file: Path) -> None:
    """The second run of the same fit moves no data."""
    with served({"sub-m0/sub-m0.nwb": file}, 0.04) as (archive, options):
        _read_all(resolve(["000409"], options), options)
        archive.log.clear()
        _read_all(resolve(["000409"], options), options)
        line("data requests of a second run", len(archive.data_log()), "0", not archive.data_log())


def measure_workers(files: dict[str, Path]) -> None:
    """Four assets at 400 ms, one worker against four."""
    times = {}
    for jobs in (1, 4):
        with served(files, 0.4) as (_, options):
            items = resolve(["000409"], options)
            started = time.perf_counter()
            _read_all(items, replace(options, jobs=jobs))
            times[jobs] = time.perf_counter() - started
    gain = times[1] / times[4]
    told = f"4 workers ({times[4]:.1f} s) against 1 ({times[1]:.1f} s)"
    line(told, f"{gain:.1f} x", "at least 3 x", gain >= 3)


def line(what: str, found: object, target: str, good: bool) -> None:
    """One row of the table."""
    print(f"{what:<48} {found!s:>10}   {target:<28} {'met' if good else 'MISSED'}")


def _read_all(items: tuple[SourceItem, ...], options: SourceOptions) -> None:
    for event in follow(items, selection=READ, options=options):
        if isinstance(event, Outcome) and isinstance(event.result, Exception):
            raise event.result


def main() -> None:
    """Write the files, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--full", action="store_true", help="a file of about 1 GB")
    full = parser.parse_args().full
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.nwb"
        write_session(large, 850_000_000 if full else 50_000_000)
        measure_one(large)
        measure_again(large)
        small = {}
        for seed in range(4):
            path = Path(folder) / f"small{seed}.nwb"
            write_session(path, 5_000_000, units=50, spikes=50_000, seed=seed)
            small[f"sub-m{seed}/sub-m{seed}.nwb"] = path
        measure_workers(small)


if __name__ == "__main__":
    main()
