"""Extension namespaces that a file uses but does not carry: pynwb cannot open such files, we can."""

from nwb_mtm.nwb.view import Group, as_text, find_group, groups_below
from nwb_mtm.nwb.warned import Warnings

BUILT_IN = frozenset(["core", "hdmf-common", "hdmf-experimental", ""])
PLACES = ("acquisition", "processing", "general", "intervals", "analysis", "scratch", "units")


def missing_namespaces(root: Group, warnings: Warnings, *, local: bool = True) -> None:
    """Warn of each namespace that is used and neither built in nor cached; of a remote file only the tops are seen."""
    cached = find_group(root, as_text(root.attrs.get("specifications", "")) or "specifications")
    known = BUILT_IN | (frozenset(cached.names()) if cached is not None else frozenset())
    for name in sorted(_used(root, depth=8 if local else 1) - known):
        warnings.add(
            "missing_namespace",
            f"Objects of the extension {name!r} are in the file but its definition is not; they are read by their "
            "datasets alone, and pynwb cannot open the file without the extension.",
        )


def _used(root: Group, depth: int) -> frozenset[str]:
    found = {as_text(root.attrs.get("namespace", ""))}
    for place in PLACES:
        group = find_group(root, place)
        if group is not None:
            found |= {as_text(g.attrs.get("namespace", "")) for g in (group, *groups_below(group, depth))}
    return frozenset(found)
