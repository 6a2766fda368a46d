"""Which model made an annotation, how it was trained and asked: no folder, host or person."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwb_mtm.annotation.fitted import Fitted
from nwb_mtm.annotation.naming import plain_command
from nwb_mtm.annotation.options import Options
from nwb_mtm.splits import Split

if TYPE_CHECKING:
    from nwb_mtm.checkpoint import Checkpoint


def model_facts(models: Sequence[Fitted], options: Options) -> dict[str, str]:
    """What is stated of the model, or of every one of several."""
    fitted = models[0]
    checkpoint = fitted.checkpoint
    facts = {
        "model.hash": models_hash([one.checkpoint for one in models]),
        "model.schemes": ", ".join(checkpoint.schemes),
        "folds": str(options.folds) if options.folds else "one unit at a time",
        "alignment": fitted.windows.alignment,
        "region_level": checkpoint.vocabulary.level,
        "split.kind": fitted.split.kind,
        "split.seed": str(fitted.split.seed),
    }
    if len(models) == 1:
        facts.update(_intervals("split", fitted.split))
    else:
        facts["models"] = str(len(models))
        for number, one in enumerate(models):
            facts[f"model.fold.{number}.hash"] = model_hash(one.checkpoint)
            facts.update(_intervals(f"split.fold.{number}", one.split))
    for section, values in checkpoint.config.to_table().items():
        facts.update({f"config.{section}.{name}": _plain(value) for name, value in values.items()})
    command = checkpoint.provenance.get("command", "")
    return {**facts, "model.command": plain_command(str(command).split())} if command else facts


def _intervals(prefix: str, split: Split) -> dict[str, str]:
    names = ("train", "valid", "test", "guard")
    return {f"{prefix}.{name}": ", ".join(f"{a:.3f}-{b:.3f}" for a, b in getattr(split, name)) for name in names}


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    return plain_command([value]) if isinstance(value, str) and value else str(value)


def model_hash(checkpoint: "Checkpoint") -> str:
    """A hash of the weights, how much own regions count, and the names they belong to."""
    state = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(checkpoint.weights.items()):
        state.update(name.encode())
        state.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    if (own := checkpoint.config.model.own_region) > 0:
        state.update(f"own region {own}".encode())
    state.update(repr(checkpoint.vocabulary.units).encode())
    return state.hexdigest()


def models_hash(checkpoints: "Sequence[Checkpoint]") -> str:
    """The hash of one model, or of several together."""
    each = [model_hash(checkpoint) for checkpoint in checkpoints]
    return each[0] if len(each) == 1 else hashlib.blake2b(" ".join(each).encode(), digest_size=16).hexdigest()


def belongs(file: str | Path, model: Any) -> bool:
    """Whether a file was annotated by this model, or by several of which it is one."""
    from nwb_mtm.nwb.annotations_read import open_written
    from nwb_mtm.predictor import load_folds

    stated = models_hash(load_folds(model))
    with open_written(file) as written:
        hashes = {value for name, value in written.facts.items() if name.startswith("model.") and "hash" in name}
    return stated in hashes
