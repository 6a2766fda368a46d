"""Every way of writing a source, and what it means."""

from pathlib import Path

import pytest

from nwb_mtm.archive.addresses import (
    Address,
    AssetAddress,
    DandisetAddress,
    LocalAddress,
    UrlAddress,
    parse,
    without_secrets,
)
from nwb_mtm.errors import SourceError

ID = "0c5a8d4e-1f2a-4b6c-8d9e-0123456789ab"
PUBLISHED = "0.230101.1234"
LAB = "https://lab.example.org"
DANDISETS = [
    ("000409", None, None, ""),
    ("DANDI:000409", None, None, ""),
    ("dandi:000409/draft", None, "draft", ""),
    (f"DANDI:000409/{PUBLISHED}", None, PUBLISHED, ""),
    (f"DANDI:000409/{PUBLISHED}/sub-1/", None, PUBLISHED, "sub-1/"),
    ("DANDI:000409/sub-1/a.nwb", None, None, "sub-1/a.nwb"),
    ("dandi://dandi/000409", "dandi", None, ""),
    ("dandi://dandi/000409@draft/sub-1/", "dandi", "draft", "sub-1/"),
    (f"dandi://linc/000409@{PUBLISHED}", "linc", PUBLISHED, ""),
    ("dandi://127.0.0.1:8000/000409", "http://127.0.0.1:8000", None, ""),
    ("dandi://lab.example.org/000409/sub-2/", LAB, None, "sub-2/"),
    ("https://dandiarchive.org/dandiset/000409", "dandi", None, ""),
    ("https://dandiarchive.org/dandiset/000409/draft/", "dandi", "draft", ""),
    (
        "https://dandiarchive.org/dandiset/000409/draft/files?location=sub-1&page=1",
        "dandi",
        "draft",
        "sub-1/",
    ),
    ("https://gui.dandiarchive.org/#/dandiset/000409/draft", "dandi", "draft", ""),
    (
        f"https://lab.example.org/#/dandiset/000409/{PUBLISHED}/files?location=sub-1%2F",
        LAB,
        PUBLISHED,
        "sub-1/",
    ),
    ("https://api.dandiarchive.org/api/dandisets/000409/", "dandi", None, ""),
    (
        "http://lab:8000/api/dandisets/000409/versions/draft/assets/?glob=*.nwb",
        "http://lab:8000",
        "draft",
        "*.nwb",
    ),
    (f"{LAB}/api/dandisets/000409/versions/{PUBLISHED}/assets/?path=sub-1/", LAB, PUBLISHED, "sub-1/"),
    ("https://identifiers.org/DANDI:000409", "dandi", None, ""),
    (f"https://doi.org/10.48324/dandi.000409/{PUBLISHED}", "dandi", PUBLISHED, ""),
]


@pytest.mark.parametrize(("text", "instance", "version", "path"), DANDISETS)
def test_every_way_of_naming_a_dandiset_is_understood(
    text: str, instance: str | None, version: str | None, path: str
) -> None:
    assert parse(text) == DandisetAddress(text, instance, "000409", version, path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LAB}/api/assets/{ID}/download/", AssetAddress(f"{LAB}/api/assets/{ID}/download/", LAB, ID)),
        (
            f"https://api.dandiarchive.org/api/dandisets/000409/versions/draft/assets/{ID}/",
            AssetAddress(f"https://api.dandiarchive.org/api/dandisets/000409/versions/draft/assets/{ID}/", "dandi", ID),
        ),
        (f"{LAB}/a.nwb", UrlAddress(f"{LAB}/a.nwb", f"{LAB}/a.nwb")),
        ("s3://bucket/blobs/a", UrlAddress("s3://bucket/blobs/a", "https://bucket.s3.amazonaws.com/blobs/a")),
        ("file:///tmp/a%20b.nwb", LocalAddress("file:///tmp/a%20b.nwb", Path("/tmp/a b.nwb"))),
        ("./000409", LocalAddress("./000409", Path("000409"))),
        ("000409/sub-1", LocalAddress("000409/sub-1", Path("000409/sub-1"))),
        ("sub-*/*.nwb", LocalAddress("sub-*/*.nwb", Path("sub-*/*.nwb"))),
    ],
)
def test_assets_urls_and_paths_are_told_apart(text: str, expected: Address) -> None:
    assert parse(text) == expected


def test_what_the_address_says_wins_over_what_the_options_fill_in() -> None:
    filled = parse("000409", instance="linc", version="draft")
    assert filled == DandisetAddress("000409", "linc", "000409", "draft")
    kept = parse(f"dandi://dandi/000409@{PUBLISHED}", instance="linc", version="draft")
    assert kept == DandisetAddress(f"dandi://dandi/000409@{PUBLISHED}", "dandi", "000409", PUBLISHED)


@pytest.mark.parametrize("text", ["DANDI:409", "dandi://dandi/409", "dandi://000409", "https:///x", "", "  "])
def test_a_mistyped_address_is_said_with_an_example(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(text)
    assert caught.value.kind == "bad_address"


def test_signatures_and_passwords_are_never_shown() -> None:
    signed = "https://me:word@host/blob?X-Amz-Signature=abc&versionId=7&X-Amz-Expires=60"
    assert without_secrets(signed) == "https://host/blob?versionId=7"
    address = parse(signed)
    assert isinstance(address, UrlAddress)
    assert address.text == "https://host/blob?versionId=7"
    assert address.url == signed
