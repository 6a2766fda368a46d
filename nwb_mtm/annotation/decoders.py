"""Decoders for every window of a recording, none of which was fitted on the window it decodes."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nwb_mtm.annotation.fitted import Fitted
from nwb_mtm.splits import DROPPED, TEST, TRAIN, VALID
from nwb_mtm.windows import Windows

if TYPE_CHECKING:
    from nwb_mtm.decoding.cross import CrossLabels, CrossSeries

CHUNK = 64


class Decoders:
    """Of one model: every stretch of time is decoded by a decoder fitted on the others.

    Of several: every window by the model that was not trained on it, and a decoder fitted on what that model was.
    """

    def __init__(self, windows: Windows, models: Sequence[Fitted]) -> None:
        self.windows, self.models = windows, models
        self._parts = np.array([one.split.parts(windows.start, windows.stop) for one in models])
        self._activities: dict[int, Float[ndarray, "window bin width"]] = {}

    @cached_property
    def fold(self) -> Int[ndarray, " window"]:
        """The model that may decode each window; -1 where all have seen it."""
        tested = self._parts == TEST
        return np.where(tested.any(axis=0), tested.argmax(axis=0), -1)

    @property
    def part(self) -> Int[ndarray, " window"]:
        """The part of every window: of the one model, or whether any of several may be tested on it."""
        return self._parts[0] if len(self.models) == 1 else np.where(self.fold >= 0, TEST, DROPPED)

    def labels(self, name: str) -> "CrossLabels | None":
        """A trial column, decoded."""
        from nwb_mtm.decoding.cross import CrossLabels, cross_fit
        from nwb_mtm.decoding.targets import labels_of

        if len(self.models) == 1:
            found = cross_fit(self.windows, self._activity(0), name, counts=False)
            return found if isinstance(found, CrossLabels) else None
        labels = labels_of(self.windows, name)
        chance = self._decoded(name, (len(labels.classes),)).astype(np.float64)
        codes = np.where(np.isfinite(chance).all(axis=1), np.nan_to_num(chance).argmax(axis=1), -1)
        return CrossLabels(name, labels.classes, codes, chance, self.fold, labels.codes)

    def series(self, name: str) -> "CrossSeries":
        """A behaviour series, decoded."""
        from nwb_mtm.decoding.cross import CrossSeries, cross_fit
        from nwb_mtm.decoding.targets import targets_for

        if len(self.models) == 1:
            found = cross_fit(self.windows, self._activity(0), name, counts=False)
            assert isinstance(found, CrossSeries)
            return found
        behavior = self.windows.behaviors[name]
        true = targets_for(behavior)
        values = self._decoded(name, true.shape[1:])
        return CrossSeries(name, values, self.fold, behavior.valid, true)

    def _decoded(self, name: str, shape: tuple[int, ...]) -> ndarray:
        from nwb_mtm.decoding.cross import decode_left_out

        out = np.full((len(self.windows), *shape), np.nan, np.float32)
        for number, part in enumerate(self._parts):
            left, fits = self.fold == number, (part == TRAIN) | (part == VALID)
            if left.any():
                activity = self._activity(number)
                found = decode_left_out(self.windows, activity, name, fits=fits, left=left, counts=False)
                out[left] = np.nan if found is None else found
        return out

    def _activity(self, number: int) -> Float[ndarray, "window bin width"]:
        if number not in self._activities:
            self._activities[number] = activity_of(self.models[number], self.windows)
        return self._activities[number]


def activity_of(fitted: Fitted, windows: Windows) -> Float[ndarray, "window bin width"]:
    """The model's latents in every bin."""
    from nwb_mtm import inference

    parts = [
        inference.latents(fitted.checkpoint, windows.take(np.arange(first, min(len(windows), first + CHUNK))))
        for first in range(0, len(windows), CHUNK)
    ]
    return np.concatenate(parts).astype(np.float32)
