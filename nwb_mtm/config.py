"""Every setting, as frozen dataclasses with real defaults; TOML in, TOML out, typing mistakes refused."""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w

from nwb_mtm.errors import ConfigError, SourceError
from nwb_mtm.presets import EVERY, fixed_by
from nwb_mtm.schema import build, commented, parted, positive, seconds, unknown


@dataclass(frozen=True)
class WindowConfig:
    """Which stretches of time are cut, and how finely."""

    align: str = "auto"
    """Event to align to: TABLE.COLUMN, a trial column, `auto`, or `none` for tiles."""
    before: float = 0.5
    """Seconds before the event."""
    after: float = 1.5
    """Seconds after the event."""
    tile: float = 0.0
    """Width in seconds of windows laid one after the other instead; 0 for windows around events."""
    bin: float = 0.02
    """Width of a bin in seconds."""

    def __post_init__(self) -> None:
        positive("windows.bin", self.bin)
        positive("windows.before + windows.after", self.before + self.after)
        if self.tile < 0:
            raise ConfigError(f"windows.tile is {self.tile}; it is a width in seconds, or 0.", kind="bad_value")


@dataclass(frozen=True)
class SplitConfig:
    """Which time trains, selects and tests."""

    kind: str = "blocks"
    """`blocks`, `random`, `tail` or `column:NAME`."""
    train: float = 0.7
    """Share of training windows."""
    valid: float = 0.1
    """Share of validation windows."""
    test: float = 0.2
    """Share of test windows."""
    seed: int = 0
    """Chance of the split, apart from the chance of training."""
    folds: int = 1
    """Models to train in turn, each tested on other time, so that together they test all of it."""

    def __post_init__(self) -> None:
        if self.folds < 1:
            raise ConfigError(f"split.folds is {self.folds}; it is a number of models, 1 or more.", kind="bad_value")
        if min(self.train, self.test) <= 0 or self.valid <= 0:
            raise ConfigError("split.train, split.valid and split.test are shares above 0.", kind="bad_value")


@dataclass(frozen=True)
class UnitConfig:
    """Which units are shown to the model, and under which region names."""

    table: str = ""
    """Path of the table of units, for files with several; found by rule when empty."""
    join_probes: bool = False
    """Files with the same subject and session start are the probes of one recording."""
    quality: str = "auto"
    """`auto` (the file's own rule), `none`, or an expression on the units' columns."""
    min_rate: float = 0.1
    """Units below this rate (spikes/s, on training time) are not used."""
    regions: tuple[str, ...] = ()
    """Only these regions; all when empty."""
    region_level: str = "auto"
    """`auto`, `raw`, `merged`, `beryl`, `cosmos`, or a CSV file of names."""
    regions_from: str = ""
    """CSV file with a region for every unit or electrode."""
    strict_regions: bool = True
    """A hidden region takes with it what may belong to it under another name."""
    trials: str = ""
    """Expression on trial columns; only these trials are used."""
    within: str = ""
    """TABLE[EXPRESSION]; only time inside these intervals is used."""


@dataclass(frozen=True)
class SchemeConfig:
    """How often each masking scheme is drawn in training; 0 leaves it out."""

    neuron: float = 1.0
    """Hide whole units."""
    causal: float = 1.0
    """Hide the future."""
    inter_region: float = 1.0
    """Hide one region whole."""
    intra_region: float = 1.0
    """Hide all other regions, and some units of one."""
    temporal: float = 0.0
    """Hide whole bins, context on both sides."""
    random_token: float = 0.0
    """Hide patches of units and bins."""
    region_subset: float = 0.0
    """Show a random set of regions, predict the rest."""
    prompt: bool = False
    """Tell the transformer which scheme is on."""
    ratio_low: float = 0.0
    """Smallest share of units that `neuron` and `intra-region` hide (one unit at least)."""
    ratio_high: float = 0.6
    """Largest share of units that they hide."""
    scattered: bool = False
    """`causal` hides single bins, as published, instead of stretches as long as those scored."""
    together: bool = True
    """Every step trains all schemes, instead of one drawn by its weight."""


@dataclass(frozen=True)
class ModelConfig:
    """The network."""

    preset: str = "default"
    """`default`, or a published member of the family (`nwb-mtm config show --preset NAME`)."""
    latents: int = -1
    """Latents of the linear path; -1 lets the number of units and windows decide, 0 leaves it out."""
    carried: bool = False
    """A second linear path, carried over from the model that training starts from; filled in then."""
    homes: tuple[str, ...] = ()
    """Latents that only one region's units load on, as REGION=COUNT; filled in from the sessions."""
    own_region: float = -1.0
    """Share in co-smoothing of what a unit's own region says with all others hidden; -1 lets validation decide."""
    prior: float = 0.01
    """Variance of the normal prior on a unit's weights in the linear path."""
    tokens: Literal["smooth-bins", "bins", "stitched-bins", "patches"] = "smooth-bins"
    """What the transformer's tokens are."""
    patch: int = 128
    """Units in a patch."""
    positions: Literal["rotary", "learned"] = "rotary"
    """How tokens know their bin."""
    session_token: bool = False
    """Tell the transformer which session it sees."""
    width: int = -1
    """Channels of the transformer; -1: 64 where little time is recorded, 128 elsewhere."""
    layers: int = -1
    """Transformer blocks; 0 for none, -1 for one unless much time is recorded and the budget is under three minutes."""
    slow: int = -1
    """Groups of training windows that tell how units change in minutes; 0: none, -1: 256 in up to 20 sessions."""
    voices: int = -1
    """Transformers to train side by side; their mean is better than one. -1 lets data and budget decide."""
    heads: int = 4
    """Attention heads."""
    mlp: int = 128
    """Channels inside a block's MLP."""
    dropout: float = 0.4
    """Share of channels dropped in training."""

    def __post_init__(self) -> None:
        if self.own_region > 1:
            said = f"model.own_region is {self.own_region:g}; it is a share from 0 to 1, or -1 (validation decides)."
            raise ConfigError(said, kind="bad_value")


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained."""

    budget: str = "10m"
    """Time for training with validation, such as 90s, 5m or 2h; fixes `steps` once."""
    steps: int = 0
    """Steps to train; 0 lets the budget decide."""
    looks: int = 0
    """Looks at validation windows in a run; 0 for ten, or fewer where they take more than a third of the budget."""
    batch: int = 16
    """Windows that share a mask in the linear path's steps."""
    masks: int = 2
    """Masks of every scheme in a step of the linear path."""
    windows: int = 8
    """Windows of every scheme in a step of a transformer, each with a mask of its own."""
    learning_rate: float = 6e-3
    """Peak learning rate of the transformer."""
    linear_rate: float = 1e-2
    """Peak learning rate of the linear path."""
    tuning_rate: float = 0.0
    """The same where training starts from another model; filled in then, 0 otherwise."""
    weight_decay: float = 0.05
    """Decay of the transformer's weights."""
    warmup: float = 0.05
    """Share of the steps in which the learning rate rises."""
    average: float = 0.98
    """Share of the averaged weights that a step keeps."""
    seed: int = 0
    """Chance of initial weights, batches and masks."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    freeze: Literal["", "trunk"] = ""
    """`trunk` trains only the rows of units, for a model that starts from another."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the transformer's matrices; auto: bfloat16 on GPUs that have it, and on CPUs where it is faster."""

    def __post_init__(self) -> None:
        seconds(self.budget)
        if self.steps < 0 or self.looks < 0:
            raise ConfigError(f"train.steps, train.looks: {self.steps}, {self.looks}; 0 or more.", kind="bad_value")


@dataclass(frozen=True)
class EvaluateConfig:
    """How a model is scored."""

    folds: int = 10
    """Folds of units for leaving units out; 0 leaves out one unit at a time (exact)."""
    sessions: Literal["sample", "all", "none"] = "sample"
    """Which sessions are scored; `sample` scores up to 20, spread over subjects."""
    bootstraps: int = 1000
    """Resamples behind every interval."""
    seed: int = 0
    """Chance of the resamples."""
    decode: bool = True
    """Decode trial columns and behaviour too, and map which regions predict which."""


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    windows: WindowConfig = field(default_factory=WindowConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    units: UnitConfig = field(default_factory=UnitConfig)
    schemes: SchemeConfig = field(default_factory=SchemeConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)

    @classmethod
    def load(cls, path: str | Path) -> "Config":
        """Read a TOML file; what it does not name keeps its default, or what the preset it names fixes."""
        try:
            table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            said = f"Cannot read the settings {Path(path).name}: {error.strerror}."
            raise SourceError(said, kind="not_found") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{Path(path).name} is no valid TOML: {error}.", kind="bad_value") from error
        return cls.from_table(table)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "Config":
        """Settings from nested tables; unknown names are refused, with the nearest known one.

        >>> Config.from_table({"model": {"layer": 2}})
        Traceback (most recent call last):
        nwb_mtm.errors.ConfigError: Unknown setting 'model.layer'. Did you mean 'model.layers'?
        """
        name = model.get("preset", "default") if isinstance(model := table.get("model", {}), Mapping) else "default"
        whole: dict[str, Any] = dict(table)
        for section, key, value in parted(fixed_by(str(name))):
            if isinstance(given := whole.get(section, {}), Mapping):
                whole[section] = {key: value, **given}
        return build(cls, whole, "")

    def changed(self, changes: Mapping[str, Any]) -> "Config":
        """A copy with dotted settings changed; a preset brings all that it fixes, but for what is changed beside it.

        >>> Config().changed({"train.steps": 5}).train.steps
        5
        >>> Config().changed({"model.preset": "ndt1-mtm", "model.width": 64}).model.layers
        5
        """
        table = self.to_table()
        wanted = changes.get("model.preset", self.model.preset)
        brought = {} if wanted == self.model.preset else {**_plain(), **fixed_by(str(wanted))}
        for section, key, value in parted({**brought, **changes}):
            if section not in table or key not in table[section]:
                raise unknown(f"{section}.{key}", [f"{s}.{k}" for s, keys in table.items() for k in keys])
            table[section][key] = value
        return type(self).from_table(table)

    def to_table(self) -> dict[str, dict[str, Any]]:
        """Nested plain tables."""
        table = dataclasses.asdict(self)
        return {s: {k: list(v) if isinstance(v, tuple) else v for k, v in keys.items()} for s, keys in table.items()}

    def to_toml(self, *, comments: bool = False) -> str:
        """The settings as TOML, with a comment for each when asked."""
        if not comments:
            return tomli_w.dumps(self.to_table())
        return "\n".join(commented(getattr(self, f.name), f.name) for f in dataclasses.fields(self))

    def save(self, path: Path) -> None:
        """Write the settings, in one move."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.write_text(self.to_toml(), encoding="utf-8")
        os.replace(temporary, path)


def _plain() -> dict[str, Any]:
    """The defaults of all that a preset may fix."""
    return {f"{section}.{key}": Config().to_table()[section][key] for section, key, _ in parted(dict.fromkeys(EVERY))}
