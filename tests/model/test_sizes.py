"""Size follows from the sessions."""

import populations

from nwb_mtm.config import Config
from nwb_mtm.model.sizes import enough_steps, sized


def test_regions_have_latents_of_their_own_and_some_are_shared() -> None:
    model = sized(Config(), [populations.windows(["CA1"] * 60 + ["DG"] * 40)]).model
    assert model.homes == ("CA1=5", "DG=4")
    assert model.latents == 5 + 4 + 4


def test_one_region_small_regions_and_many_regions_share_all_latents() -> None:
    assert sized(Config(), [populations.windows(["CA1"] * 35)]).model.homes == ()
    assert sized(Config(), [populations.windows(["CA1"] * 35)]).model.latents == 10
    assert sized(Config(), [populations.windows(["CA1"] * 60 + ["DG"] * 20)]).model.homes == ()
    many = [f"region {i}" for i in range(20) for _ in range(10)]
    assert sized(Config(), [populations.windows(many)]).model.homes == ()


def test_transformers_are_wider_where_much_is_recorded_and_left_out_where_the_budget_is_short_too() -> None:
    few, many = populations.windows(count=12), populations.windows(count=1100)
    short = Config().changed({"train.budget": "1m"})
    narrow, wide = sized(Config(), [few]).model, sized(Config(), [many]).model
    assert (narrow.layers, narrow.width) == (1, 64)
    assert (wide.layers, wide.width) == (1, 128)
    assert (sized(short, [few]).model.layers, sized(short, [many]).model.layers) == (1, 0)


def test_stated_sizes_are_kept() -> None:
    config = Config().changed(
        {"model.latents": 7, "model.layers": 2, "model.width": 32, "model.voices": 3, "model.slow": 5}
    )
    assert sized(config, [populations.windows()]) == config


def test_transformers_are_as_many_as_data_and_budget_allow() -> None:
    few, wide = populations.windows(count=12), populations.windows(["CA1"] * 400 + ["DG"] * 400, count=12)
    assert sized(Config(), [few]).model.voices == 6
    assert 1 < sized(Config().changed({"train.budget": "3m"}), [wide]).model.voices < 6
    assert sized(Config().changed({"train.budget": "1m"}), [wide]).model.voices == 1
    assert sized(Config().changed({"train.steps": 60}), [few]).model.voices == 1
    assert sized(Config(), [populations.windows(count=1100)]).model.voices == 1


def test_the_default_ends_where_more_steps_only_fit_noise_and_presets_use_their_budget() -> None:
    few, many = populations.windows(count=12), populations.windows(count=1100)
    preset = Config().changed({"model.preset": "ndt1-mtm"})
    assert enough_steps(Config(), [few]) == 400
    assert min(enough_steps(Config(), [many]), enough_steps(preset, [few])) > 10**6
