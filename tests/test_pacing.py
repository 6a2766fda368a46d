"""How often a run looks at validation windows."""

import populations
import pytest

from nwb_mtm.config import Config
from nwb_mtm.errors import ConfigError
from nwb_mtm.pacing import FEWEST_LOOKS, LOOKING, LOOKS, Pace, next_look
from nwb_mtm.training import Training

QUICK = {"train.batch": 3, "train.masks": 1, "model.latents": 2, "model.layers": 0, "model.slow": 0}


@pytest.mark.parametrize("steps", [1, 3, 10, 11, 25, 395, 12_500])
@pytest.mark.parametrize("looks", [1, 3, 10])
def test_looks_are_evenly_spread_and_the_last_step_has_one(steps: int, looks: int) -> None:
    seen = [step for step in range(1, steps + 1) if next_look(step - 1, steps, looks) == step]
    assert len(seen) == min(steps, looks)
    assert seen[-1] == steps
    apart = [after - before for before, after in zip([0, *seen], seen)]
    assert max(apart) - min(apart) <= 1


@pytest.mark.parametrize("look", [0.01, 1.0, 4.0, 7.0, 12.0])
def test_looks_leave_most_of_the_budget_to_steps(look: float) -> None:
    pace, config = Pace(0.5, look), Config()
    looks = pace.looks(config, 300.0)
    assert FEWEST_LOOKS <= looks <= LOOKS
    assert looks == FEWEST_LOOKS or pace.looking(config, looks) <= LOOKING * 300.0
    assert pace.steps(config, 300.0, looks) * pace.step + pace.looking(config, looks) <= 300.0


def test_a_preset_that_settles_nothing_has_more_looks() -> None:
    pace = Pace(2.0, 15.0)
    preset = Config().changed({"model.preset": "ndt1-mtm"})
    assert pace.looks(preset, 300.0) > pace.looks(Config(), 300.0)


def test_as_many_looks_as_are_asked_for() -> None:
    config = Config().changed({**QUICK, "train.steps": 7, "train.looks": 2})
    training = Training([populations.windows()], [populations.windows(count=4, seed=1)], config)
    assert [step.step for step in training if step.valid] == [4, 7]


def test_a_budget_fixes_steps_and_looks_once() -> None:
    config = Config().changed({**QUICK, "train.budget": "2s"})
    training = Training([populations.windows()], [populations.windows(count=4, seed=1)], config)
    seen = [step.step for step in training if step.valid]
    assert len(seen) == training.config.train.looks
    assert seen[-1] == training.config.train.steps


def test_looks_below_zero_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.looks: 0, -1"):
        Config().changed({"train.looks": -1})
