"""Settings of a training that labels of the training subjects enter."""

from __future__ import annotations

import dataclasses

from pmrnet.errors import InputError
from pmrnet.value_checks import is_count, is_positive


@dataclasses.dataclass(frozen=True)
class LabelSupervision:
    """The section `labels` of an experiment file; see `pmrnet.nn.label_overlap`.

    Parameters
    ----------
    weight
        Of the labels' term in the loss.
    per_step
        Labels that a step takes, drawn at random: fewer cost less memory, and their overlap is on
        average that of all.
    """

    weight: float = 1.0
    per_step: int = 12

    def __post_init__(self) -> None:
        if not is_positive(self.weight):
            raise InputError(
                f"labels.weight: expected a positive number, found {self.weight!r}; correct it, or "
                "take the section out to train without labels."
            )
        if not is_count(self.per_step):
            raise InputError(
                f"labels.per_step: expected a number of labels above 0, found {self.per_step!r}; "
                "correct it."
            )
