"""Lists in options: what is no list of numbers is wrong usage, never a traceback."""

import pytest
from click.testing import CliRunner
from nwb_mtm_cli.main import group
from nwb_mtm_cli.options import build_config

from nwb_mtm.errors import ConfigError


def test_schemes_that_are_named_train_alone() -> None:
    schemes = build_config({"only_schemes": "neuron, intra-region"}).schemes
    assert (schemes.neuron, schemes.causal, schemes.inter_region, schemes.intra_region) == (1.0, 0.0, 0.0, 1.0)
    with pytest.raises(ConfigError, match="Unknown scheme 'units'"):
        build_config({"only_schemes": "units"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", "a.nwb", "--ratios", "x"], "--ratios takes shares"),
        (["compare", "a.nwb", "--ratios", "1.5"], "--ratios takes shares"),
        (["compare", "a.nwb", "--sessions", "0"], "--sessions takes whole numbers"),
        (["fit", "a.nwb", "--trials-curve", "10,b"], "--trials-curve takes whole numbers"),
    ],
)
def test_a_list_that_is_none_is_wrong_usage(words: list[str], said: str) -> None:
    result = CliRunner().invoke(group, words)
    assert result.exit_code == 2
    assert said in result.output
