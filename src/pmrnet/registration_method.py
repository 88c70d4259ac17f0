"""What finds the deformation: a network with its weights, or nothing beyond an alignment."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from pmrnet.errors import InputError
from pmrnet.lean_keras import import_keras

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pmrnet.network_field import FieldModel
    from pmrnet.refinement_settings import Refinement
    from pmrnet.weights.passes import Passes

#: reserved among the names of weights: registration by the headers alone, or by the affine
#: alignment too, and in both without a network
IDENTITY, AFFINE = "identity", "affine"


@dataclass(frozen=True)
class NoField:
    """Stands for `pmrnet.network_field.NetworkField` where there is no deformation to find."""

    displacement: None = None
    inverse_displacement: None = None
    velocity: None = None
    refinement: None = None


class AlignmentOnly:
    """Stands for `pmrnet.network_field.FieldModel` where the alignment is all.

    Parameters
    ----------
    name
        `IDENTITY` or `AFFINE`.
    """

    def __init__(self, name: str) -> None:
        self.description: dict[str, Any] = {
            "network": {"type": name},
            "spacing": None,
            "weights": None,
            "sha256": None,
        }

    def compile(self, shape: tuple[int, int, int]) -> None:
        """Nothing to compile."""

    def field(self, moving: NDArray, fixed: NDArray) -> NoField:
        """No deformation, whatever the images."""
        return NoField()


def load_method(
    weights: str | PathLike,
    refine: Refinement | None = None,
    passes: Passes | None = None,
    temperature: float | str | None = None,
    symmetric: bool = False,
    compiled: bool = True,
) -> FieldModel | AlignmentOnly:
    """Load what finds the deformation.

    Parameters
    ----------
    weights
        Name of shipped weights, path of a weights JSON, `IDENTITY` or `AFFINE`.
    refine
        Whether and how its answer is to be refined, for the check.
    passes
        See `pmrnet.register`.
    temperature
        Of the uncertainty that is to be found, for the check.
    symmetric
        See `pmrnet.register`.
    compiled
        Whether a network is to be compiled, which pays for more than one pair.

    Raises
    ------
    InputError
        If there are no such weights, they are not of a network that finds a velocity, or there is
        nothing to refine, that could look again or that is uncertain.
    """
    if str(weights) in (IDENTITY, AFFINE):
        if refine is not None:
            raise InputError(
                f"Refinement: expected a network's weights to start from, found {weights}; leave "
                "the refinement out, or name other weights."
            )
        if passes is not None:
            raise InputError(
                f"Passes: expected a network's weights, found {weights}; leave the passes out, or "
                "name other weights."
            )
        if temperature is not None:
            raise InputError(
                f"Temperature: expected a network's weights, found {weights}, which has no "
                "uncertainty; leave the temperature out, or name other weights."
            )
        # Without a network both orders of the images give each other's inverse as it is.
        return AlignmentOnly(str(weights))
    import_keras()
    from pmrnet import network_field
    from pmrnet.weights.store import NoWeightsError

    try:
        return network_field.load_field_model(weights, compiled, passes, symmetric)
    except NoWeightsError as error:
        raise NoWeightsError(weights, (AFFINE, IDENTITY)) from error
