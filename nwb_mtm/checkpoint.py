"""A trained model as one safetensors file, with everything needed to use it in its header."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nwb_mtm.config import Config
from nwb_mtm.errors import RunError
from nwb_mtm.model import MtM, build
from nwb_mtm.model.compute import set_precision
from nwb_mtm.runs import model_file
from nwb_mtm.splits import Split
from nwb_mtm.traits import Traits
from nwb_mtm.vocabulary import Vocabulary

FORMAT = 1
MODEL_FILE = "model.safetensors"
TRAITS = "traits"  # the tensor beside the weights


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights, and what they were trained on."""

    config: Config
    vocabulary: Vocabulary
    weights: Mapping[str, Tensor]
    bins: int
    bin_size: float
    splits: Mapping[str, Split] = field(default_factory=dict)
    fingerprints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schemes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    traits: Traits | None = None  # early models hold none

    def __repr__(self) -> str:
        units, sessions = len(self.vocabulary), len(self.vocabulary.sessions)
        layers, latents = self.config.model.layers, self.config.model.latents
        size = sum(tensor.numel() for tensor in self.weights.values())
        what = f"linear path of {latents} latents, {layers} transformer blocks, {size:,} numbers"
        return f"Checkpoint({self.config.model.preset!r}: {units:,} units, sessions: {sessions}; {what})"

    def model(self, device: torch.device | str = "cpu") -> MtM:
        """The network, ready to predict."""
        model = build(self.config, self.vocabulary, self.bins)
        try:
            model.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            said = str(error).partition("\n")[2].strip().split("\n")[0]
            raise RunError(
                f"The model's weights do not fit its settings ({said}): another version of nwb-mtm wrote it. "
                "Fit it again, or use the version that its provenance names.",
                kind="bad_model",
            ) from error
        model.own_region = max(0.0, self.config.model.own_region)
        set_precision(model, self.config.train.precision, torch.device(device))
        return model.eval().to(device)

    def header(self) -> dict[str, Any]:
        """Everything but the weights, as JSON."""
        return {
            "format": FORMAT,
            "config": self.config.to_table(),
            "vocabulary": self.vocabulary.to_json(),
            "bins": self.bins,
            "bin_size": self.bin_size,
            "splits": {name: split.to_json() for name, split in self.splits.items()},
            "fingerprints": {name: list(marks) for name, marks in self.fingerprints.items()},
            "schemes": list(self.schemes),
            "provenance": dict(self.provenance),
            **({} if self.traits is None else {"traits": self.traits.to_json()}),
        }

    def known_traits(self) -> Traits:
        """What is known of its units beside their region; of an early model's, their rates alone."""
        if self.traits is not None:
            return self.traits
        rate = self.weights.get("linear.rate", torch.full((len(self.vocabulary), 1), torch.nan))
        return Traits.of_rates(rate[:, 0].double().numpy() / self.bin_size)

    def save(self, path: str | Path) -> Path:
        """Write the file, in one move."""
        path = Path(path)
        weights = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.weights.items()}
        if self.traits is not None:
            weights[TRAITS] = torch.from_numpy(np.array(self.traits.table))
        write_tensors(path, weights, self.header())
        return path

    @classmethod
    def load(cls, path: str | Path) -> "Checkpoint":
        """Read a model file, or the model of a run folder."""
        path = Path(path)
        weights, header = read_tensors(path / MODEL_FILE if path.is_dir() else path)
        if header.get("format") != FORMAT:
            raise RunError(
                f"{path.name} has model format {header.get('format')!r}; this version reads {FORMAT}.", kind="bad_model"
            )
        try:
            return cls._from_header(header, weights)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path.name} has a damaged header: {error!r}.", kind="bad_model") from error

    @classmethod
    def _from_header(cls, header: Mapping[str, Any], weights: Mapping[str, Tensor]) -> "Checkpoint":
        table = weights.get(TRAITS)
        return cls(
            config=Config.from_table(header["config"]),
            vocabulary=Vocabulary.from_json(header["vocabulary"]),
            weights={_renamed(name): tensor for name, tensor in weights.items() if name != TRAITS},
            bins=int(header["bins"]),
            bin_size=float(header["bin_size"]),
            splits={name: Split.from_json(split) for name, split in header["splits"].items()},
            fingerprints={name: tuple(marks) for name, marks in header["fingerprints"].items()},
            schemes=tuple(header["schemes"]),
            provenance=header["provenance"],
            traits=None if table is None else Traits.from_json(header["traits"], table.numpy()),
        )


def _renamed(name: str) -> str:
    """The name of a weight: early models had one transformer."""
    return name.replace("transformer.", "transformers.0.", 1) if name.startswith("transformer.") else name


def write_tensors(path: Path, tensors: dict[str, Tensor], header: Mapping[str, Any]) -> None:
    """A safetensors file with a JSON header, in one move."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, metadata={"nwb_mtm": json.dumps(header, sort_keys=True)})
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"Cannot write {path.name}: {error.strerror}.", kind="cannot_write") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the JSON header of a file written here."""
    if not path.exists():
        raise RunError(f"There is no model at {path.name}.", kind="not_a_run")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("nwb_mtm")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path.name} is no safetensors file: {error}.", kind="bad_model") from error
    if header is None:
        raise RunError(f"{path.name} holds tensors, but was not written by nwb-mtm.", kind="bad_model")
    return tensors, json.loads(header)


Model = Checkpoint | str | Path


def load(model: Model) -> Checkpoint:
    """A checkpoint from itself, a run folder or a model file."""
    return model if isinstance(model, Checkpoint) else Checkpoint.load(model_file(model))
