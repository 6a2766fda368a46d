"""In which order units are drawn: region by region, neighbours by how they rise and fall together."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.ndimage import gaussian_filter1d

from nwb_mtm.recording import UNKNOWN
from nwb_mtm.windows import Windows

SMOOTH = 2.0  # bins; the same for all maps
OPTIMAL_ORDER_UP_TO = 300  # optimal leaf ordering is cubic
ORDER_WINDOWS = 200


def shown_units(train: Windows, *, averaged: bool, most: int) -> Int[ndarray, " row"]:
    """Units region by region, each region in the leaf order of its clustering on training windows."""
    regions = np.array(train.units.regions)
    names, counts = np.unique(regions[train.units.inputs], return_counts=True)
    order = sorted(zip(names, counts), key=lambda pair: (pair[0] == UNKNOWN, -pair[1], pair[0]))
    parts = [leaf_order(train, np.flatnonzero((regions == name) & train.units.inputs), averaged) for name, _ in order]
    rows = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if len(rows) <= most:
        return rows
    return rows[np.round(np.linspace(0, len(rows) - 1, most)).astype(np.int64)]


def leaf_order(train: Windows, members: Int[ndarray, " member"], averaged: bool) -> Int[ndarray, " member"]:
    """The members in the leaf order of average-linkage clustering by correlation."""
    if len(members) < 3:
        return members
    counts = train.counts[:, :, members].astype(np.float32)
    if averaged:
        profile = gaussian_filter1d(counts.mean(axis=0), SMOOTH, axis=0).T
    else:
        profile = _coarse(counts[:ORDER_WINDOWS], 10).reshape(-1, len(members)).T
    centred = profile - profile.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(centred, axis=1, keepdims=True)
    scaled = np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)
    distance = np.clip(1.0 - scaled @ scaled.T, 0.0, 2.0)[np.triu_indices(len(members), 1)]
    tree = linkage(distance.astype(np.float64), "average", optimal_ordering=len(members) <= OPTIMAL_ORDER_UP_TO)
    return np.asarray(members[leaves_list(tree)])


def _coarse(counts: Float[ndarray, "window bin unit"], bins: int) -> Float[ndarray, "window part unit"]:
    edges = np.unique(np.linspace(0, counts.shape[1], min(bins, counts.shape[1]) + 1).astype(int))
    return np.asarray(np.add.reduceat(counts, edges[:-1], axis=1))
