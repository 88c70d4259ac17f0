"""Experiment YAML to checked objects. One file per row of a table, named as the row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pmrnet.data.augmentation import Augmentation
from pmrnet.errors import InputError
from pmrnet.label_supervision import LabelSupervision
from pmrnet.settings_section import check_keys, read_settings
from pmrnet.value_checks import (
    is_0_or_more,
    is_count,
    is_count_or_0,
    is_number,
    is_positive,
    is_power_of_two,
)
from pmrnet.yaml_file import load_yaml


def read_experiment_file(path: Path) -> dict[str, Any]:
    """Read an experiment file, unchecked.

    Raises
    ------
    InputError
        If the file is missing, is no YAML mapping or has a key twice.
    """
    try:
        content = load_yaml(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected an experiment file, found none; choose a METHOD that has one."
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a mapping of settings, found {content!r}.")
    return content


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stretch of training at one resolution.

    Parameters
    ----------
    spacing
        Voxel size of the images in mm, a power of two times 1 mm.
    steps
        Optimiser steps, batch of one pair.
    learning_rate, decay_factor, decay_every
        Adam's initial rate, multiplied by `decay_factor` every `decay_every` steps.
    weight_decay
        Adam's decoupled weight decay, or None.
    validate_every
        Steps between two looks at the validation pairs (the length of an epoch).
    clip_norm
        Largest norm of the gradient of all weights together, or None.
    passes
        Of a network that has several, how many the stage trains; None for the network's own
        number.
    """

    spacing: int
    steps: int
    learning_rate: float
    decay_factor: float = 0.5
    decay_every: int = 10**9
    weight_decay: float | None = None
    validate_every: int = 500
    clip_norm: float | None = None
    passes: int | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs of `validate_every` steps that make up the stage, rounded up."""
        return -(-self.steps // self.validate_every)

    @property
    def steps_taken(self) -> int:
        """Optimiser steps of all epochs, which are whole."""
        return self.epochs * self.validate_every


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What makes a row of a table: network, objective, schedule and seed.

    Parameters
    ----------
    name
        The file's name.
    network, objective
        See `pmrnet.nn.build`.
    stages
        Stretches of training.
    seed
        Of everything that is drawn at random.
    mix
        Names of data sets whose training subjects are added, in pairs of their own.
    augment
        Settings of `pmrnet.data.augmentation.Augmentation`; None for no changes.
    init
        Weights that training starts from: a shipped name or the path of a JSON. They are of the
        same network, or of the one without its finest level at half the resolution, which it then
        grows from (`pmrnet.nn.growing`). None starts from random ones.
    labels
        Settings of `pmrnet.label_supervision.LabelSupervision`: training subjects' labels enter the
        loss. None looks at no labels in training.
    """

    name: str
    network: dict[str, Any]
    objective: dict[str, Any]
    stages: tuple[Stage, ...]
    seed: int = 0
    mix: Sequence[str] = ()
    augment: dict[str, float] | None = None
    init: str | None = None
    labels: dict[str, float] | None = None

    @classmethod
    def load(cls, path: str | Path) -> Experiment:
        """Read and check an experiment file.

        Raises
        ------
        InputError
            If the file is missing, is no YAML mapping or has unknown or missing keys.
        """
        path = Path(path)
        content = read_experiment_file(path)
        known = [field.name for field in dataclasses.fields(cls) if field.name != "name"]
        check_keys(known, content, "experiment", path)
        known = [field.name for field in dataclasses.fields(Stage)]
        for number, stage in enumerate(content.get("stages") or (), start=1):
            if isinstance(stage, dict):  # what is none is refused below
                check_keys(known, stage, f"stage {number}", path)
        try:
            stages = tuple(Stage(**stage) for stage in content.pop("stages"))
            experiment = cls(name=path.stem, stages=stages, **content)
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}: expected the keys network, objective, stages and seed, found otherwise "
                f"({error}); compare with experiments/lpba40/pmrnet.yaml."
            ) from error
        experiment._check(path)
        return experiment

    def _check(self, path: Path) -> None:
        """Types and ranges, since YAML gives what it reads: 1e-3 without a point is text."""
        for key in ("network", "objective"):
            if not isinstance(getattr(self, key), dict):
                raise _mistake(path, key, "a dict", getattr(self, key))
        if not (is_count_or_0(self.seed) and self.seed < 2**32):  # NumPy's and Keras' generators
            raise _mistake(path, "seed", "a whole number from 0 to 2^32 - 1", self.seed)
        for key, value in self.objective.items():
            word = key in _WORDS
            if not (isinstance(value, str) if word else is_number(value)):
                words = ", ".join(_WORDS)
                expected = (
                    "a word" if word else f"a number (with a point, 1.0e-3; words have {words})"
                )
                raise _mistake(path, f"objective.{key}", expected, value)
        for key, kinds, expected in (
            ("mix", list | tuple, "a list of names"),
            ("init", str | None, "the name or path of weights"),
        ):
            if not isinstance(getattr(self, key), kinds):
                raise _mistake(path, key, expected, getattr(self, key))
        if self.augment is not None:
            Augmentation.from_mapping(self.augment, path)
        if self.labels is not None:
            if self.labels == {}:  # which would count as none
                raise _mistake(path, "labels", "weight, per_step or both", self.labels)
            example = "experiments/lpba40/pmrnet-plus-labels.yaml"
            read_settings(LabelSupervision, self.labels, "labels", path, example)
        if not self.stages:
            raise _mistake(path, "stages", "one or more stages", [])
        for number, stage in enumerate(self.stages, start=1):
            for field in dataclasses.fields(stage):
                value = getattr(stage, field.name)
                fits, expected = _EXPECTED[field.name]
                if not fits(value):
                    raise _mistake(path, f"stage {number}: {field.name}", expected, value)

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps_taken for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        """Plain content, as it is hashed and stored with results."""
        content = dataclasses.asdict(self)
        # What an experiment does not use is left out: its hash stays when there is a new setting.
        content["stages"] = [_used(stage) for stage in content["stages"]]
        return _used(content)


_OPTIONAL = ("mix", "augment", "init", "labels", "clip_norm", "passes")


def _used(content: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in content.items() if k not in _OPTIONAL or v}


#: settings of an objective that are no numbers; what they may be, the objective itself checks
_WORDS = ("type", "weighting", "similarity", "feature_error", "level_reduction")

_EXPECTED = {
    "spacing": (
        is_power_of_two,
        "millimetres, a power of two",
    ),
    "steps": (is_count, "a number of steps above 0"),
    "learning_rate": (is_positive, "a positive number (with a point, 1.0e-3)"),
    "decay_factor": (is_positive, "a positive number"),
    "decay_every": (is_count, "a number of steps above 0"),
    "weight_decay": (
        lambda value: value is None or is_0_or_more(value),
        "a number of 0 or more (with a point, 1.0e-5), or null",
    ),
    "validate_every": (is_count, "a number of steps above 0"),
    "clip_norm": (
        lambda value: value is None or is_positive(value),
        "a positive number (with a point, 10.0), or null",
    ),
    "passes": (lambda value: value is None or is_count(value), "a number of passes above 0"),
}


def _mistake(path: Path, key: str, expected: str, found: object) -> InputError:
    return InputError(f"{path}: {key}: expected {expected}, found {found!r}; correct the file.")
