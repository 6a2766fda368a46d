"""Published members of the family (arXiv 2407.14668, appendix), with their recipe and without its bugs."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from nwb_mtm.errors import ConfigError

ALL_SCHEMES = ("neuron", "causal", "inter_region", "intra_region", "temporal", "random_token", "region_subset")
_PUBLISHED: Mapping[str, Any] = {
    "model.latents": 0,
    "model.width": 512,
    "model.layers": 5,
    "model.heads": 8,
    "model.mlp": 1024,
    "model.dropout": 0.4,
    "model.positions": "learned",
    "train.learning_rate": 1e-4,
    "train.weight_decay": 0.01,
    "train.warmup": 0.15,
    "train.windows": 16,
    "model.voices": 1,
    "model.slow": 0,
    "model.own_region": 0.0,
    "train.average": 0.0,
    "schemes.prompt": True,
    "schemes.together": False,
    "schemes.scattered": True,
    "schemes.ratio_low": 0.3,
    "schemes.ratio_high": 0.3,
    "units.strict_regions": False,
}
_ALONE: Mapping[str, Any] = {
    "schemes.neuron": 0.0,
    "schemes.causal": 0.0,
    "schemes.inter_region": 0.0,
    "schemes.intra_region": 0.0,
    "schemes.prompt": False,
}
_TEMPORAL = {**_ALONE, "schemes.temporal": 1.0}
_RANDOM = {**_ALONE, "schemes.random_token": 1.0}
_NDT1 = {**_PUBLISHED, "model.tokens": "bins"}
_STITCH = {**_PUBLISHED, "model.tokens": "stitched-bins", "model.session_token": True}
_NDT2 = {**_PUBLISHED, "model.tokens": "patches", "model.session_token": True}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "default": {},
        "ndt1-temporal": {**_NDT1, **_TEMPORAL},
        "ndt1-mtm": _NDT1,
        "ndt1-stitch-temporal": {**_STITCH, **_TEMPORAL},
        "ndt1-stitch-mtm": _STITCH,
        "ndt2-random": {**_NDT2, **_RANDOM},
        "ndt2-mtm": _NDT2,
    }
)

EVERY = tuple(dict.fromkeys(name for fixed in PRESETS.values() for name in fixed))  # settings that some preset fixes


def schemes_alone(names: Sequence[str]) -> dict[str, float]:
    """Settings that train with these masking schemes and no other.

    >>> schemes_alone(["intra-region"])["schemes.intra_region"], schemes_alone(["neuron"])["schemes.causal"]
    (1.0, 0.0)
    """
    keys = [name.replace("-", "_") for name in names]
    for name, key in zip(names, keys):
        if key not in ALL_SCHEMES:
            known = ", ".join(scheme.replace("_", "-") for scheme in ALL_SCHEMES)
            raise ConfigError(f"Unknown scheme {name!r}; it is one of {known}.", kind="bad_value")
    return {f"schemes.{key}": float(key in keys) for key in ALL_SCHEMES}


def fixed_by(name: str) -> Mapping[str, Any]:
    """What a preset fixes, as dotted settings.

    >>> fixed_by("ndt1-mtm")["model.layers"]
    5
    """
    if name not in PRESETS:
        raise ConfigError(f"Unknown preset {name!r}; it is one of {', '.join(PRESETS)}.", kind="bad_value")
    return PRESETS[name]
