"""The decision task of the simulated mice: what is shown, what they choose, how they move."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

STEP = 0.01  # grid of rates and latents (s)
CONTRASTS = (0.0, 0.0625, 0.125, 0.25, 1.0)
LEAD = 4.0  # quiet time before the first and after the last trial (s)
INPUTS = ("stimulus_left", "stimulus_right", "choice_left", "choice_right", "reward", "error", "prior")


@dataclass(frozen=True, eq=False)
class Task:
    """One row for every trial; times in seconds; sides are -1 (left) and +1 (right)."""

    start: Float[ndarray, " trial"]
    stim_on: Float[ndarray, " trial"]
    response: Float[ndarray, " trial"]
    feedback_time: Float[ndarray, " trial"]
    stop: Float[ndarray, " trial"]
    side: Int[ndarray, " trial"]
    contrast: Float[ndarray, " trial"]
    choice: Int[ndarray, " trial"]
    feedback: Int[ndarray, " trial"]
    probability_left: Float[ndarray, " trial"]

    @property
    def bins(self) -> int:
        """How many steps of the grid the session lasts."""
        return int(np.ceil((self.stop[-1] + LEAD) / STEP))


def draw_task(rng: np.random.Generator, trials: int) -> Task:
    """Blocks with a prior for one side, a stimulus, a choice that follows both, and its reward."""
    prior = _blocks(rng, trials)
    side = np.where(rng.random(trials) < prior, -1, 1)
    contrast = rng.choice(CONTRASTS, trials)
    evidence = 6.0 * side * np.sqrt(contrast) + 2.5 * (1 - 2 * prior)
    choice = np.where(rng.random(trials) < 1 / (1 + np.exp(-evidence)), 1, -1)
    reaction = np.clip(np.exp(rng.normal(-1.0 - 0.35 * np.abs(evidence) / 6, 0.3, trials)), 0.12, 0.9)
    start = LEAD + np.concatenate([[0.0], np.cumsum(rng.uniform(3.0, 4.2, trials - 1))])
    stim_on = start + 0.6
    feedback_time = stim_on + reaction + 0.06
    return Task(
        start=start,
        stim_on=stim_on,
        response=stim_on + reaction,
        feedback_time=feedback_time,
        stop=stim_on + 1.6,
        side=side,
        contrast=contrast,
        choice=choice,
        feedback=np.where(choice == side, 1, -1),
        probability_left=prior,
    )


def _blocks(rng: np.random.Generator, trials: int) -> Float[ndarray, " trial"]:
    """An unbiased beginning, then blocks in which one side is likelier."""
    prior = np.full(trials, 0.5)
    at, likely = trials // 5, float(rng.choice((0.2, 0.8)))
    while at < trials:
        length = int(rng.integers(15, 45))
        prior[at : at + length] = likely
        at, likely = at + length, 1.0 - likely
    return prior


def inputs(task: Task) -> Float[ndarray, "bin input"]:
    """What drives the regions at every step: pulses at stimulus, movement and outcome, and the prior."""
    out = np.zeros((task.bins, len(INPUTS)))
    strength = 0.3 + 0.7 * np.sqrt(task.contrast)
    for row in range(len(task.start)):
        seen = int(task.side[row] > 0)
        moved = 2 + int(task.choice[row] > 0)
        won = 4 + int(task.feedback[row] < 0)
        _pulse(out[:, seen], task.stim_on[row] + 0.05, 0.12, strength[row])
        _pulse(out[:, moved], task.response[row] - 0.12, 0.20, 1.0)
        _pulse(out[:, won], task.feedback_time[row] + 0.03, 0.25, 1.0)
        begin, end = _steps(task.start[row]), _steps(task.stop[row])
        out[begin:end, 6] = 2.0 * (task.probability_left[row] - 0.5)
    return out


def _steps(time: float) -> int:
    return int(round(time / STEP))


def _pulse(out: Float[ndarray, " bin"], time: float, width: float, height: float) -> None:
    out[_steps(time) : _steps(time + width)] += height


def movement(rng: np.random.Generator, task: Task) -> tuple[Float[ndarray, " bin"], Float[ndarray, " bin"]]:
    """Wheel velocity (turned at every choice, and in bouts of its own) and whisking, on the grid."""
    bins = task.bins
    wheel = smooth_noise(rng, bins, 0.15) * (0.3 + (smooth_noise(rng, bins, 2.0) > 0.8))
    for row in range(len(task.start)):
        begin = _steps(task.response[row] - 0.15)
        bump = np.sin(np.linspace(0, np.pi, 30)) * rng.uniform(1.5, 2.5)
        wheel[begin : begin + 30] += task.choice[row] * bump
    whisking = np.abs(wheel) + np.exp(0.7 * smooth_noise(rng, bins, 0.4))
    return wheel, whisking


def smooth_noise(rng: np.random.Generator, bins: int, tau: float) -> Float[ndarray, " bin"]:
    """Unit-variance noise that forgets itself over `tau` seconds, smooth on shorter scales."""
    from scipy.signal import lfilter

    keep = np.exp(-STEP / tau)
    white = rng.standard_normal(bins + 500)
    once = lfilter([1 - keep], [1, -keep], white)
    twice = lfilter([1 - keep], [1, -keep], once)[500:]
    return np.asarray(twice / twice.std())
