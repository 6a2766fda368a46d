"""Regions with noisy dynamics of their own, delayed coupling between them, and the rates they give."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from nwb_mtm.synthetic.task import INPUTS, STEP, smooth_noise

REGIONS = ("MOs", "CP", "VISp", "CA1", "LP")  # the first two on one probe, the others on a second
PROBES = ("probe00", "probe00", "probe01", "probe01", "probe01")
DIMS = 4
TARGET_RATE = 5.6  # mean over units (Hz)
HIGHEST_RATE = 120.0


@dataclass(frozen=True)
class Coupling:
    """One region that drives another, a little later."""

    source: str
    target: str
    delay: float
    strength: float


@dataclass(frozen=True, eq=False)
class World:
    """What all simulated sessions share: the dynamics of the regions and who drives whom."""

    step: Float[ndarray, "region dim dim"]
    drive: Float[ndarray, "region dim input"]
    couplings: tuple[Coupling, ...]
    maps: tuple[Float[ndarray, "dim dim"], ...]


def draw_world(rng: np.random.Generator) -> World:
    """Damped rotations in every region; couplings run one way, so that nothing can explode."""
    step = np.stack([_rotations(rng) for _ in REGIONS])
    drive = _drive(rng)
    order = [int(i) for i in rng.permutation(len(REGIONS))]
    pairs = [(order[0], order[1]), (order[1], order[2]), (order[0], order[3]), (order[2], order[4])]
    delays = rng.choice((0.02, 0.03, 0.05), len(pairs))
    couplings = tuple(
        Coupling(REGIONS[a], REGIONS[b], float(delay), float(rng.uniform(0.7, 1.0)))
        for (a, b), delay in zip(pairs, delays)
    )
    maps = tuple(np.linalg.qr(rng.normal(size=(DIMS, DIMS)))[0] for _ in pairs)
    return World(step, drive, couplings, maps)


def _drive(rng: np.random.Generator) -> Float[ndarray, "region dim input"]:
    """Left and right, reward and error drive a region alike in part; inputs differ in strength."""
    shape = (len(REGIONS), DIMS, len(INPUTS))
    drive = rng.normal(size=shape)
    for pair in (slice(0, 2), slice(2, 4), slice(4, 6)):
        drive[..., pair] += 1.2 * rng.normal(size=(len(REGIONS), DIMS, 1))
    return drive * rng.uniform(0.5, 1.2, (len(REGIONS), 1, len(INPUTS)))


def _rotations(rng: np.random.Generator) -> Float[ndarray, "dim dim"]:
    out = np.zeros((DIMS, DIMS))
    for plane in range(DIMS // 2):
        angle = 2 * np.pi * rng.uniform(0.5, 3.0) * STEP
        keep = np.exp(-STEP / rng.uniform(0.10, 0.20))
        block = keep * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        out[2 * plane : 2 * plane + 2, 2 * plane : 2 * plane + 2] = block
    return out


def latents(
    world: World, inputs: Float[ndarray, "bin input"], rng: np.random.Generator
) -> Float[ndarray, "bin region dim"]:
    """Run all regions; each of their dimensions has unit variance in the end."""
    driven = np.einsum("rdi,ti->trd", world.drive, inputs)
    out = np.empty((len(inputs), len(REGIONS), DIMS))
    for region in _sources_first(world):
        own = 0.30 * rng.standard_normal((len(inputs), DIMS)) + 0.16 * driven[:, region]
        own = own + _arriving(world, region, out)
        out[:, region] = _run(world.step[region], own)
        out[:, region] /= out[:, region].std(axis=0)
    return out


def _sources_first(world: World) -> list[int]:
    """Regions in an order in which every source comes before its targets."""
    left, order = list(range(len(REGIONS))), list[int]()
    while left:
        free = [r for r in left if not any(source in left for source in _sources(world, r))]
        order += free
        left = [r for r in left if r not in free]
    return order


def _sources(world: World, region: int) -> list[int]:
    return [REGIONS.index(c.source) for c in world.couplings if c.target == REGIONS[region]]


def _arriving(world: World, region: int, states: Float[ndarray, "bin region dim"]) -> Float[ndarray, "bin dim"]:
    """What the other regions send, delayed."""
    total = np.zeros((len(states), DIMS))
    for coupling, turn in zip(world.couplings, world.maps):
        if coupling.target != REGIONS[region]:
            continue
        lag = int(round(coupling.delay / STEP))
        sent = states[:, REGIONS.index(coupling.source)] @ turn.T
        total[lag:] += 0.13 * coupling.strength * sent[:-lag]
    return total


def _run(step: Float[ndarray, "dim dim"], own: Float[ndarray, "bin dim"]) -> Float[ndarray, "bin dim"]:
    """x[t] = step x[t - 1] + own[t], plane by plane as a complex one-pole filter."""
    from scipy.signal import lfilter

    out = np.empty_like(own)
    for plane in range(0, DIMS, 2):
        pole = step[plane, plane] + 1j * step[plane + 1, plane]
        state = lfilter([1.0], [1.0, -pole], own[:, plane] + 1j * own[:, plane + 1])
        out[:, plane], out[:, plane + 1] = state.real, state.imag
    return out


@dataclass(frozen=True, eq=False)
class Population:
    """Units with a base rate, and loadings on their region's latents, the slow state and movement."""

    region: Int[ndarray, " unit"]
    base: Float[ndarray, " unit"]
    loading: Float[ndarray, "unit dim"]
    slow: Float[ndarray, " unit"]
    moving: Float[ndarray, "unit 2"]


def draw_population(rng: np.random.Generator, units: int) -> Population:
    """Regions share the units about evenly; base rates are log-normal with a mean of 5.6 Hz."""
    share = rng.dirichlet(np.full(len(REGIONS), 40.0))
    region = np.sort(np.searchsorted(np.cumsum(share)[:-1], (np.arange(units) + 0.5) / units))
    base = np.clip(np.exp(rng.normal(1.2, 0.95, units)), 0.3, 40.0)
    loading = rng.normal(size=(units, DIMS))
    loading *= (rng.uniform(0.5, 1.12, units) / np.linalg.norm(loading, axis=1))[:, None]
    return Population(
        region=region,
        base=base * rng.uniform(0.95, 1.05) * TARGET_RATE / base.mean(),
        loading=loading,
        slow=rng.normal(0.1, 0.2, units),
        moving=rng.normal(0, 0.12, (units, 2)),
    )


def rates(
    population: Population,
    states: Float[ndarray, "bin region dim"],
    wheel: Float[ndarray, " bin"],
    whisking: Float[ndarray, " bin"],
    rng: np.random.Generator,
) -> Float32[ndarray, "bin unit"]:
    """Spikes per second of every unit at every step."""
    log_rate = np.empty((len(states), len(population.base)))
    for region in range(len(REGIONS)):
        mine = population.region == region
        log_rate[:, mine] = states[:, region] @ population.loading[mine].T
    shared = smooth_noise(rng, len(states), 15.0)
    moves = np.stack([wheel / wheel.std(), (whisking - whisking.mean()) / whisking.std()], axis=1)
    log_rate += shared[:, None] * population.slow + moves @ population.moving.T
    np.exp(log_rate, out=log_rate)
    log_rate *= population.base / log_rate.mean(axis=0)
    return np.minimum(log_rate, HIGHEST_RATE).astype(np.float32)


def draw_spikes(rate: Float32[ndarray, "bin unit"], t0: float, rng: np.random.Generator) -> list[Float[ndarray, " _"]]:
    """Poisson spikes of exactly this piecewise-constant rate, one sorted train for every unit."""
    counts = rng.poisson(rate.T * np.float32(STEP)).astype(np.uint8)
    trains = []
    for row in counts:
        at = np.repeat(np.arange(len(row)), row)
        trains.append(np.sort(t0 + (at + rng.random(len(at))) * STEP))
    return trains
