"""How a budget becomes steps and looks at validation windows, and when to look."""

from dataclasses import dataclass

from nwb_mtm.config import Config

LOOKS, FEWEST_LOOKS = 10, 3  # validations in a run, and where they take long
LOOKING = 1 / 3  # of the budget, at most, where that leaves enough looks
SETTLING = 3  # looks that settling takes as long as


@dataclass(frozen=True)
class Pace:
    """What a warm step and a look take, in seconds."""

    step: float
    look: float

    def looks(self, config: Config, budget: float) -> int:
        """Looks in a run: ten, or fewer where they would eat up the time that steps should have.

        >>> Pace(0.2, 2.0).looks(Config(), 300.0), Pace(2.0, 15.0).looks(Config(), 300.0)
        (10, 3)
        """
        if config.train.looks or not self.look:
            return config.train.looks or LOOKS
        room = int(LOOKING * budget / self.look) - self._beside(config)
        return min(LOOKS, max(FEWEST_LOOKS, room))

    def looking(self, config: Config, looks: int) -> float:
        """Seconds of all looks, settling included."""
        return (looks + self._beside(config)) * self.look

    def steps(self, config: Config, left: float, looks: int) -> int:
        """Steps that fit into the seconds left, besides the looks."""
        room = 0.97 * (left - self.looking(config, looks))
        return max(LOOKS, int(room / self.step)) if self.step else LOOKS

    def _beside(self, config: Config) -> int:
        """Looks that are not for choosing steps: one of the start, and what settling comes to."""
        return 1 + (SETTLING if config.model.slow or config.model.own_region else 0)


def next_look(step: int, steps: int, looks: int) -> int:
    """The first step after this one that ends with a look; the last step always does.

    >>> [next_look(step, 25, 10) for step in (0, 2, 3, 24)], next_look(4, 7, 10)
    ([3, 3, 5, 25], 5)
    """
    looks = min(looks, steps)
    return -(-(step * looks // steps + 1) * steps // looks)
