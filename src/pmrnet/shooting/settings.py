"""How a registration by geodesic shooting works: all its numbers and where they come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pmrnet.errors import InputError
from pmrnet.settings_section import read_settings
from pmrnet.value_checks import all_of, is_0_or_more, is_count, is_positive, is_power_of_two


@dataclasses.dataclass(frozen=True)
class ShootingSettings:
    """Numbers of UtilzReg's geodesic shooting; "UtilzReg" marks a default of its code.

    Parameters
    ----------
    scales
        Standard deviations of the kernel's Gaussians in mm. UtilzReg has one of 3 mm, and up to
        seven by `-M_Gauss` and `-M_Gauss_easier`; the multi-scale kernel is that of Risser et al.
        (TMI 2011). Ours: four, a factor of two apart.
    weights
        One per Gaussian, of any sum: they are normalised to 1. None, as `-M_Gauss_easier`, weighs
        each inversely to the largest vector of its first update, so that all have the same
        apparent weight.
    norm_weight
        Weight of the norm of the momentum against the squared difference, for intensities in
        [0, 1] (UtilzReg's alpha, 0.001). Ours.
    time_steps
        Steps from time 0 to 1 (UtilzReg: 10 points in time).
    spacings
        Voxel sizes in mm of the images, coarse to fine, powers of two; the momentum of one level
        is where the next one starts (UtilzReg: `-UnderSampleTpl` and `-InputInitMomentum`).
    iterations
        Largest number of descent steps on each level (UtilzReg: 10 on its only one). Ours.
    tolerance
        A level ends when a step lowers the energy by less than this share of its value at the
        level's start. Ours.
    first_update
        Largest change of the velocity, in voxels, that the first step of a level tries
        (UtilzReg's `-MaxVeloUpdt`, 0.5).
    memory
        Corrections that L-BFGS keeps; it replaces UtilzReg's descent of fixed step. Ours.
    align_grey_levels
        Give the fixed brain's intensities the mean and standard deviation of the moving one's, as
        UtilzReg's `-GreyLevAlign`.
    """

    scales: tuple[float, ...] = (20.0, 10.0, 5.0, 2.5)
    weights: tuple[float, ...] | None = None
    norm_weight: float = 1e-5
    time_steps: int = 10
    spacings: tuple[int, ...] = (4, 2)
    iterations: tuple[int, ...] = (30, 15)
    tolerance: float = 1e-3
    first_update: float = 0.5
    memory: int = 5
    align_grey_levels: bool = True

    def __post_init__(self) -> None:
        for name, fits, expected in _EXPECTED:
            value = getattr(self, name)
            if not fits(value):
                raise InputError(
                    f"shooting.{name}: expected {expected}, found {value!r}; correct it."
                )
        if self.weights is not None and len(self.weights) != len(self.scales):
            raise InputError(
                f"shooting.weights: expected one for each of the {len(self.scales)} scales, found "
                f"{len(self.weights)}; add or leave out some, or use null."
            )
        if len(self.iterations) != len(self.spacings):
            raise InputError(
                f"shooting.iterations: expected one for each of the {len(self.spacings)} spacings, "
                f"found {len(self.iterations)}; add or leave out some."
            )

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], path: object) -> ShootingSettings:
        """Read the section `shooting` of an experiment file; what is left out has its default.

        Parameters
        ----------
        content
            The section, as YAML gives it.
        path
            The file, for messages.

        Raises
        ------
        InputError
            If a key is unknown or a value is not what it should be.
        """
        return read_settings(cls, content, "shooting", path, "experiments/lpba40/utilzreg.yaml")

    def as_dict(self) -> dict[str, Any]:
        """Plain content, as it is hashed and stored with results."""
        return dataclasses.asdict(self)


def _are_spacings(values: object) -> bool:
    return all_of(is_power_of_two)(values) and list(values) == sorted(values, reverse=True)


_EXPECTED = (
    ("scales", all_of(is_positive), "a list of positive numbers"),
    (
        "weights",
        lambda values: values is None or all_of(is_positive)(values),
        "a list of positive numbers or null",
    ),
    ("norm_weight", is_positive, "a positive number (with a point, 1.0e-5)"),
    ("time_steps", is_count, "a whole number above 0"),
    ("spacings", _are_spacings, "a list of powers of two, coarse to fine"),
    ("iterations", all_of(is_count), "a list of whole numbers above 0"),
    ("tolerance", is_0_or_more, "a number of 0 or more"),
    ("first_update", is_positive, "a positive number"),
    ("memory", is_count, "a whole number above 0"),
    ("align_grey_levels", lambda value: isinstance(value, bool), "true or false"),
)
