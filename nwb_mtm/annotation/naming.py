"""What annotated files are called, so that archives take them and they sort beside their source."""

import re

FORBIDDEN = re.compile(r"[^A-Za-z0-9+-]+")
MODALITY = re.compile(r"[a-z]+(\+[a-z]+)*")


def annotated_name(name: str) -> str:
    """The file name of a copy or sidecar.

    >>> annotated_name("sub-1_ses-a_behavior+ecephys.nwb")
    'sub-1_ses-a_desc-mtm_behavior+ecephys.nwb'
    >>> annotated_name("sub-1_ses-a_desc-raw_ecephys.nwb")
    'sub-1_ses-a_desc-raw-mtm_ecephys.nwb'
    >>> annotated_name("session 7.nwb")
    'session 7_desc-mtm.nwb'
    """
    stem = re.sub(r"\.nwb(\.zarr)?$|\.zarr$", "", name)
    parts = stem.split("_")
    if not stem.startswith("sub-"):
        return f"{stem}_desc-mtm.nwb"
    tail = [parts.pop()] if MODALITY.fullmatch(parts[-1]) else []
    at = next((i for i, part in enumerate(parts) if part.startswith("desc-")), None)
    if at is None:
        return "_".join([*parts, "desc-mtm", *tail]) + ".nwb"
    described = parts[at] if parts[at].split("-")[-1] == "mtm" else f"{parts[at]}-mtm"
    return "_".join([*parts[:at], described, *parts[at + 1 :], *tail]) + ".nwb"


def archive_path(name: str, subject: str | None, session: str | None) -> str:
    """Folder and file name that a DANDI archive accepts.

    >>> archive_path("sub-1/sub-1_ses-a_ecephys.nwb", "1", "a")
    'sub-1/sub-1_ses-a_desc-mtm_ecephys.nwb'
    >>> archive_path("my file.nwb", "m_1", "day.2")
    'sub-m-1/sub-m-1_ses-day-2_desc-mtm_ecephys.nwb'
    """
    last = name.rsplit("/", 1)[-1]
    who = label(subject or "unknown")
    if re.fullmatch(rf"sub-{re.escape(who)}(_[a-z]+-[^_.]+)*(_{MODALITY.pattern})?\.nwb(\.zarr)?", last):
        return f"sub-{who}/{annotated_name(last)}"
    when = f"_ses-{label(session)}" if session else ""
    return f"sub-{who}/sub-{who}{when}_desc-mtm_ecephys.nwb"


def label(text: str) -> str:
    """A subject or session as archives allow it in a name."""
    return FORBIDDEN.sub("-", text).strip("-") or "unknown"


def plain_command(words: list[str]) -> str:
    """A command line with file names only: nothing of the folders above them.

    >>> plain_command(["nwb-mtm", "annotate", "/home/ann/runs/a", "../x.nwb", "-o", "C:\\\\Users\\\\ann\\\\out"])
    'nwb-mtm annotate a x.nwb -o out'
    """
    return " ".join(_last(word) for word in words)


def _last(word: str) -> str:
    if "://" in word and not word.startswith("file:"):
        return word.split("?")[0]
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    bare = re.split(r"[\\/]", value.rstrip("\\/"))[-1]
    keeps = value.startswith(("DANDI:", "dandi:"))
    return f"{option}{equals}{value if keeps else bare}"
