"""After training: how much a unit's own region counts, and what units did beyond what the voices expect of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from nwb_mtm.batch import Batch, Roster, collate
from nwb_mtm.config import Config
from nwb_mtm.masks import SCHEMES, Mask
from nwb_mtm.model.looking import predict_from_all, predict_from_own, predict_passes
from nwb_mtm.model.mtm import MtM
from nwb_mtm.model.slow import START, Slow
from nwb_mtm.model.validating import CAUTION, VALID_FOLDS, offered_bits
from nwb_mtm.passes import RULES, SCORES, Score, passes
from nwb_mtm.vocabulary import Vocabulary
from nwb_mtm.windows import Windows

MOST_WINDOWS = 512  # of a session, evenly spread
MEMORIES = (15.0, 30.0, 60.0, 120.0, 480.0)  # seconds
PRIORS = (0.125, 0.5, 2.0)  # spikes
OWN_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)
NOTHING = 1e-6  # bits: where units have no other region, all shares say the same but for rounding
LIKELY_SHARE = 0.6  # another must be better by more than chance
AMOUNTS = (0.0, 0.25, 0.4, 0.6, 0.8)
SETTINGS = tuple((memory, prior, amount) for memory in MEMORIES for prior in PRIORS for amount in AMOUNTS)
TOUCHING = 0.2  # of a bin: windows end to end do not overlap


def settle(
    model: MtM,
    train: Sequence[Windows],
    valid: Sequence[Windows],
    vocabulary: Vocabulary,
    config: Config,
    device: torch.device,
    *,
    total: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> dict[str, float]:
    """Choose on validation windows how much a unit's own region says, and how much what changes slowly.

    How many bits per spike both add to every score there.
    """
    model.own_region, gain = max(0.0, config.model.own_region), 0.0
    if config.model.own_region < 0:
        model.own_region, gain = _weigh_own_region(model, valid, vocabulary, config, device, total)
    gains = _settle_slow(model, model.slow, train, valid, vocabulary, config, device, total) if model.slow else {}
    return {**gains, "co-smoothing": gains.get("co-smoothing", 0.0) + gain}


def _weigh_own_region(
    model: MtM,
    valid: Sequence[Windows],
    vocabulary: Vocabulary,
    config: Config,
    device: torch.device,
    total: Callable[[Tensor], Tensor],
) -> tuple[float, float]:
    """How much what a unit's own region says should count in co-smoothing; the bits per spike that this adds."""
    sums = torch.zeros(len(OWN_SHARES) + 2, dtype=torch.float64)  # at the end windows and sessions
    for windows in valid:
        _, batch = _batch(windows, vocabulary, config, device)
        plan = passes(windows.units, "co-smoothing", folds=min(VALID_FOLDS, len(windows.units)))
        wide = predict_from_all(model, batch, plan, "co-smoothing")
        both = np.log(np.stack([wide, predict_from_own(model, batch, plan, wide)]))
        offered = [np.array([1 - share, share]) for share in OWN_SHARES]
        bits = offered_bits(windows, np.zeros((2, len(windows.units)), np.float32), both, offered)
        sums += torch.tensor([*bits, len(windows), 1.0], dtype=torch.float64)
    sums = total(sums)
    bits = (sums[:-2] / sums[-1].clamp_min(1.0)).numpy()
    if np.ptp(bits) < NOTHING:
        return 0.0, 0.0
    doubt = CAUTION * (np.array(OWN_SHARES) != LIKELY_SHARE) / max(1.0, float(sums[-2])) ** 0.5
    best = int((bits - doubt).argmax())
    return OWN_SHARES[best], float(bits[best] - bits[0])


def _settle_slow(
    model: MtM,
    slow: Slow,
    train: Sequence[Windows],
    valid: Sequence[Windows],
    vocabulary: Vocabulary,
    config: Config,
    device: torch.device,
    total: Callable[[Tensor], Tensor],
) -> dict[str, float]:
    """Fill the slow part's tables from training windows, and choose how much it says."""
    slow.forget()
    for windows in train:
        _remember(model, slow, windows, vocabulary, config, device)
    sums = torch.zeros(len(SCORES), len(SETTINGS) + 1, dtype=torch.float64)  # at the end the sessions
    for windows in valid:
        for score, gains in _gains(model, slow, windows, vocabulary, config, device):
            sums[SCORES.index(score)] += torch.tensor([*gains, 1.0], dtype=torch.float64)
    sums = total(sums)
    worth = {score: (row[:-1] / row[-1]).numpy() for score, row in zip(SCORES, sums) if row[-1] > 0}
    if not worth:
        return {}
    best = int(np.mean(list(worth.values()), axis=0).argmax())  # one for all scores: few windows chose it
    slow.setting.copy_(torch.tensor(SETTINGS[best]).repeat(len(SCHEMES), 1))
    return {str(score): float(gain[best]) for score, gain in worth.items()}


def _batch(windows: Windows, vocabulary: Vocabulary, config: Config, device: torch.device) -> tuple[Roster, Batch]:
    roster = Roster.of(windows.units, windows.session, vocabulary, strict=config.units.strict_regions)
    return roster, collate([windows], [roster], [(0, i) for i in range(len(windows))]).to(device)


def _remember(
    model: MtM, slow: Slow, windows: Windows, vocabulary: Vocabulary, config: Config, device: torch.device
) -> None:
    """One session's spikes and what the other units tell of them, in groups of windows that follow each other."""
    few = np.unique(np.linspace(0, len(windows) - 1, min(len(windows), MOST_WINDOWS)).astype(int))
    windows = windows.take(few[np.argsort(windows.start[few], kind="stable")])
    roster, batch = _batch(windows, vocabulary, config, device)
    plan = passes(windows.units, "co-smoothing", folds=min(VALID_FOLDS, len(windows.units)))
    spikes, expected = _totals(windows, predict_passes(model, batch, plan, "co-smoothing"))
    groups = slow.rows.shape[1] // 2
    for number, rows in enumerate(np.array_split(np.arange(len(windows)), groups)):
        if len(rows):
            first, last = windows.start[rows[0]], windows.start[rows[-1]]
            reach = (last - first) / 2 + windows.width - TOUCHING * windows.bin_size
            slow.session.weight[roster.session, [number, groups + number]] = torch.tensor(
                [round(1e6 * (first + last) / 2), round(1e6 * reach)], device=device
            )
            found = np.stack([spikes[rows].sum(0), expected[rows].sum(0)], 1)
            where = torch.from_numpy(roster.unit)[:, None].to(device), [number, groups + number]
            slow.rows[where] = torch.tensor(found, dtype=torch.float32, device=device)


def _totals(
    windows: Windows, rates: Float[ndarray, "window bin unit"]
) -> tuple[Float[ndarray, "window unit"], Float[ndarray, "window unit"]]:
    """Spikes and expected spikes of every window, where something was expected and observed."""
    scored = windows.valid & np.isfinite(rates)
    spikes = np.where(scored, windows.counts, 0).sum(1, dtype=np.float64)
    return spikes, np.where(scored, rates, 0.0).sum(1, dtype=np.float64)


def _gains(
    model: MtM, slow: Slow, windows: Windows, vocabulary: Vocabulary, config: Config, device: torch.device
) -> Iterator[tuple[Score, Float[ndarray, " setting"]]]:
    """By how many bits per spike every setting is better than none, for every score that the session allows."""
    roster, batch = _batch(windows, vocabulary, config, device)
    nothing = torch.zeros_like(batch.valid)
    for score in SCORES:
        if score.endswith("region") and len(roster.names) < 2:
            continue
        folds, strict = min(VALID_FOLDS, len(windows.units)), config.units.strict_regions
        plan = passes(windows.units, score, folds=folds, strict=strict)
        spikes, expected = _totals(windows, predict_passes(model, batch, plan, score))
        some = spikes.sum(0) > 0
        scheme = RULES[score].scheme
        asked, row = Mask(nothing, nothing, scheme), SCHEMES.index(scheme)
        found = []
        for setting in SETTINGS:
            slow.setting[row] = torch.tensor(setting)
            change = slow(batch, asked)[:, 0].double().cpu().numpy()
            gain = (change * spikes - np.expm1(change) * expected).sum(0)
            found.append(float((gain[some] / spikes.sum(0)[some]).mean() / np.log(2)) if some.any() else 0.0)
        slow.setting[row] = torch.tensor(START)
        yield score, np.array(found)
