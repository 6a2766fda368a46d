"""A folder of annotated files as a dandiset that says what it was derived from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nwb_mtm.archive.assets import Asset
from nwb_mtm.landing import placing
from nwb_mtm.recording import Source
from nwb_mtm.sources.folders import CARD, dandiset_of
from nwb_mtm.sources.resolution import SourceItem


def in_dandiset(item: SourceItem) -> bool:
    """Whether a source lies in a dandiset, in an archive or on disk."""
    if isinstance(item.place, Asset):
        return item.place.dandiset is not None
    return dandiset_of(item.place) is not None


def describe(sources: Sequence[Source]) -> dict[str, Any]:
    """The new dandiset's metadata: relations, DOIs and licences of what it was made from."""
    known = {(s.dandiset, s.version): s for s in sources if s.dandiset}
    licences = sorted({s.licence for s in sources if s.licence})
    related = [_relation(source) for _, source in sorted(known.items())]
    names = ", ".join(f"DANDI:{d}/{v}" if v else f"DANDI:{d}" for d, v in sorted(known)) or "local files"
    card: dict[str, Any] = {
        "identifier": "DANDI:000000",
        "name": f"Reconstructed firing rates of {names}",
        "description": (
            f"Firing rates (and, where asked for, decoded behaviour) that a masked transformer predicts for {names}, "
            "written by nwb-mtm. Only time that the model was not trained on is filled. Not for noise correlations, "
            "dimensionality or connectivity; acausal rates are not for latencies."
        ),
        "schemaKey": "Dandiset",
        "keywords": ["derived data", "firing rates", "nwb-mtm"],
        "relatedResource": related,
    }
    if licences:
        card["license"] = licences
    if len(licences) > 1:
        card["description"] += f" The sources have different licences ({', '.join(licences)}); the strictest applies."
    return card


def _relation(source: Source) -> Mapping[str, str]:
    found = {
        "schemaKey": "Resource",
        "relation": "dcite:IsDerivedFrom",
        "identifier": source.doi or f"DANDI:{source.dandiset}{'/' + source.version if source.version else ''}",
        "name": f"DANDI:{source.dandiset}",
    }
    return {**found, "url": f"https://doi.org/{source.doi}"} if source.doi else found


def write_card(folder: Path, card: Mapping[str, Any]) -> Path | None:
    """Write dandiset.yaml, unless the folder has one of its own; `dandi upload` wants its identifier filled in."""
    path = folder / CARD
    if path.exists():
        return None
    with placing(path) as temporary:
        temporary.write_text("".join(_yaml(name, value) for name, value in card.items()), encoding="utf-8")
    return path


def _yaml(name: str, value: Any) -> str:
    """One entry; JSON is YAML."""
    return f"{name}: {json.dumps(value, ensure_ascii=False)}\n"
