"""Which rows of a model's tables belong to which sessions, and a model that holds some sessions' rows only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from nwb_mtm.model.mtm import MtM
from nwb_mtm.model.transfer import is_row
from nwb_mtm.vocabulary import Vocabulary

OF_SESSIONS = ".session.weight"  # how the names of tables with rows of sessions end


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of some sessions: of their units, and of themselves."""

    units: Int[Tensor, " row"]
    sessions: Int[Tensor, " session"]

    @classmethod
    def of(cls, vocabulary: Vocabulary, sessions: Sequence[str]) -> "Rows":
        """Rows of the named sessions in a model of all."""
        units = [vocabulary.unit_rows(key, vocabulary.units[key]) for key in sessions]
        rows = np.concatenate(units) if units else np.zeros(0, np.int64)
        return cls(torch.from_numpy(rows), torch.tensor([vocabulary.session_row(key) for key in sessions]).long())

    def within(self, name: str) -> Int[Tensor, " row"]:
        """Where these sessions' rows are in the named table."""
        return self.sessions if name.endswith(OF_SESSIONS) else self.units


def has_rows(name: str) -> bool:
    """Whether a tensor has rows of its own for units or sessions; all others are the trunk."""
    return is_row(name) or name.endswith(OF_SESSIONS)


def some_sessions(vocabulary: Vocabulary, sessions: Sequence[str]) -> Vocabulary:
    """The vocabulary of the named sessions."""
    units = {key: vocabulary.units[key] for key in sessions}
    return Vocabulary(units, {key: vocabulary.regions[key] for key in sessions}, vocabulary.level)


def some_rows(tensors: Mapping[str, Tensor], rows: Rows) -> dict[str, Tensor]:
    """The tensors, tables with these rows only."""
    return {name: tensor[rows.within(name)] if has_rows(name) else tensor for name, tensor in tensors.items()}


@torch.no_grad()
def keep_rows(model: MtM, rows: Rows) -> None:
    """Let a model forget all rows but these."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if has_rows(name) or name.endswith(".home"):
            tensor.data = tensor.data[rows.within(name)].clone()
