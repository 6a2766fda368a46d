"""One rank of a small training run, for tests: `python ranks.py FOLDER UNITS STEPS [RESUME]`, as torchrun starts it."""

import json
import sys
from pathlib import Path

import populations
import torch

from nwb_mtm.config import Config
from nwb_mtm.distributed import start
from nwb_mtm.training import Training

SETTINGS = {"train.batch": 4, "model.latents": 3, "model.layers": 1, "model.voices": 1}
SETTINGS |= {"model.width": 16, "model.mlp": 16}


def main(folder: Path, units: int, steps: int, resume: bool) -> None:
    """Train, count what was sent, and let the first rank write what came of it."""
    torch.set_num_threads(1)
    regions = [name for name in ("CA1", "DG") for _ in range(units)]
    names = [f"m/{i}" for i in range(3)]
    windows = [populations.windows(regions, session=name, seed=i, count=20) for i, name in enumerate(names)]
    valid = [populations.windows(regions, session=name, seed=9 + i, count=12) for i, name in enumerate(names)]
    with start() as world:
        training = Training(windows, valid, Config().changed({**SETTINGS, "train.steps": steps}), world=world)
        if resume:
            training.load_resume(folder / "resume.safetensors")
        lines, sent = [], 0
        for step in training:
            lines.append({"step": step.step, "loss": dict(step.loss), "valid": step.valid and dict(step.valid)})
            if step.step == steps // 2 and not resume:
                training.save_resume(folder / "resume.safetensors")
            if step.step == 1:
                sent = world.sent
        checkpoint = training.checkpoint()
        if world.first:
            checkpoint.save(folder / "model.safetensors")
            trunk = [p.numel() for n, p in training.model.named_parameters() if "rows" not in n and n != "bias"]
            facts = {
                "lines": lines,
                "sent": sent,
                "trunk": sum(trunk),
                "held": len(training.own),
                "notes": training.notes,
            }
            (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), len(sys.argv) > 4)
