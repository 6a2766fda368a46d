"""What can go wrong, in four classes; every error has a `kind` that the documentation explains.

NwbMtmError
├── SourceError      a file, address or archive that cannot be opened
├── RecordingError   a file that opens but does not hold what is needed
├── ConfigError      a setting or an option that makes no sense
└── RunError         a model, run folder or output that cannot be used
"""

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

KINDS: Mapping[str, str] = MappingProxyType(
    {
        # sources
        "not_found": "Check the path or address for a typing mistake.",
        "empty_file": "The file has no bytes; download it again.",
        "git_annex_pointer": "Only a pointer is here; run `datalad get FILE` (or `git annex get FILE`).",
        "not_hdf5": "The file is no HDF5 file; download it again, perhaps a web page was saved in its place.",
        "truncated_hdf5": "The end of the file is missing; download it again.",
        "unreadable": "The file cannot be read; check its permissions and the disk.",
        "bad_address": "Write a path, a URL, six digits, DANDI:000409/VERSION or dandi://INSTANCE/000409@VERSION/PATH.",
        # archives and the cache
        "unreachable": "Check the network and the archive's address, or work from the cache with `--offline`.",
        "offline": "Run `nwb-mtm cache fetch` with the same sources where there is a network.",
        "no_dandiset": "Check the six digits, and the archive that `--dandi-instance` names.",
        "no_version": "Choose one of the versions that the message lists.",
        "no_asset": "Compare the path with those that `nwb-mtm find` shows.",
        "no_sessions": "Compare the filters with what `nwb-mtm find` shows.",
        "key_needed": "Put a key of somebody who may read it into the environment variable named above.",
        "server_failing": "The archive answers with errors; try again later, what was read is kept.",
        "transfer_failed": "Try again; what was read is kept.",
        "changed": "The file was replaced while it was read; run the command again.",
        "no_ranges": "The server sends whole files only; pass `--allow-download` to fetch it.",
        "needs_download": "Pass `--allow-download`, or download it with `dandi download`.",
        "bad_answer": "The server's answer is no archive's; check the address.",
        "unsafe_path": "The archive names a path outside its own folder; it is not used.",
        "reader_died": "The process that read it was ended, for want of memory perhaps; try `--jobs 1`.",
        "same_recording": "Nothing to do: it is read once, under its first name.",
        "no_space": "Free some space, or choose another folder with `--cache-dir`.",
        # recordings
        "not_nwb": "The file is HDF5 or Zarr but not NWB; pass an NWB 2 file.",
        "nwb_version_1": "Convert the file to NWB 2 (for example with neuroconv) and try again.",
        "no_units_table": "The file holds no sorted units; look for the processed file of the same session.",
        "sidecar": "Pass the recording the sidecar tells of; `nwb-mtm check FILE` recomputes what a sidecar claims.",
        "zero_units": "The units table has no rows; look for the sorted file of the same session.",
        "units_without_spike_times": "The units table has no spike times (imaging data, perhaps).",
        "corrupt_spike_index": "The units table is damaged; write the file again from its source.",
        "several_units_tables": "Name one table with `--units PATH`.",
        "bad_selection": "Compare the names with those that `nwb-mtm inspect FILE` shows.",
        "bad_arrays": "Pass one array of spike times, in seconds, for each unit.",
        "no_windows": "Choose another alignment or shorter windows; `nwb-mtm inspect FILE` shows what the file has.",
        "clocks_disagree": "Put trials and spikes on the same clock, in seconds from the session's start.",
        # settings
        "unknown_setting": "`nwb-mtm config show` lists every setting.",
        "bad_value": "Change the value named above.",
        "missing_extra": "Install the extra that the message names.",
        # runs and outputs
        "exists": "Name another output, or pass `-e overwrite` (or `-e skip`).",
        "not_a_run": "Pass a run folder made by `nwb-mtm fit`, or a .safetensors model.",
        "bad_model": "The model file is damaged or of another format; fit it again.",
        "does_not_fit": "Model and recording do not belong together; fit a model on this recording.",
        "different_protocols": "Compare runs that were scored alike; `nwb-mtm evaluate` scores a model again.",
        "seen_in_training": "Score on recordings the model has not been trained on.",
        "diverged": "Lower the learning rate; the last good model was kept.",
        "cannot_write": "Check the folder's permissions and free space.",
        "no_unseen_time": "Pass `--include-trained`, or a model that was not trained on this recording.",
        "not_annotated": "Pass a file written by `nwb-mtm annotate`.",
        "no_source": "Pass the file that was annotated with `--source FILE`.",
        "stopped": "Run the same command again; what was read from archives is kept in the cache.",
        "nothing_to_do": "Nothing was left to work on; see the reasons above.",
    }
)


class NwbMtmError(Exception):
    """Said plainly to the user: what was found, what was needed, where, and what to do."""

    def __init__(self, message: str, *, kind: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of error; add it to nwb_mtm.errors.KINDS")
        super().__init__(message)
        self.kind = kind

    @property
    def cure(self) -> str:
        """What to do about it, in one sentence."""
        return KINDS[self.kind]

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), str(self), self.kind))


def did_you_mean(name: str, offered: Iterable[str]) -> str:
    """A hint to the nearest of the names there are (of a path its last), to follow a sentence; empty when none is near.

    >>> did_you_mean("cue_strat_time", ["cue_end_time", "cue_start_time"]), did_you_mean("x", ["choice"])
    (" Did you mean 'cue_start_time'?", '')
    """
    near = difflib.get_close_matches(name, [one.rpartition("/")[2] for one in offered], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _rebuild(cls: type[NwbMtmError], message: str, kind: str) -> NwbMtmError:
    return cls(message, kind=kind)


class SourceError(NwbMtmError):
    """A file, address or archive that cannot be opened."""


class RecordingError(NwbMtmError):
    """A file that opens but does not hold what is needed."""


class ConfigError(NwbMtmError):
    """A setting or an option that makes no sense."""


class RunError(NwbMtmError):
    """A model, run folder or output that cannot be used."""
