"""From the configuration of a network and of an objective to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pmrnet.errors import InputError
from pmrnet.nn.concatenation import ConcatenationNet
from pmrnet.nn.displacement_objective import DisplacementObjective
from pmrnet.nn.faim import FAIM
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.nn.objective import Objective
from pmrnet.nn.pmrnet import PMRNet
from pmrnet.nn.pmrnet_plus import PMRNetPlus
from pmrnet.nn.released import ReleasedPMRNet
from pmrnet.nn.voxelmorph import VoxelMorph

NETWORKS: dict[str, type[RegistrationNetwork]] = {
    "pmrnet": PMRNet,
    "pmrnet-plus": PMRNetPlus,
    "pmrnet-released": ReleasedPMRNet,
    "concatenation": ConcatenationNet,
    "voxelmorph": VoxelMorph,
    "faim": FAIM,
}

OBJECTIVES: dict[str, type[Objective | DisplacementObjective]] = {
    "elbo": Objective,
    "displacement": DisplacementObjective,
}


def build_network(
    config: dict[str, Any],
    objective: Objective | DisplacementObjective | None = None,
    label_weight: float = 0.0,
) -> RegistrationNetwork:
    """Construct the network that `config` describes, without weights.

    Parameters
    ----------
    config
        `type` (a key of `NETWORKS`) and the constructor's arguments.
    objective
        The loss, for training.
    label_weight
        Weight of the labels in it; above 0, training needs them.

    Raises
    ------
    InputError
        If the type is unknown or the arguments do not fit it.
    """
    arguments = dict(config)
    kind = arguments.pop("type", None)
    if not isinstance(kind, str) or kind not in NETWORKS:
        raise InputError(
            f"network type: expected one of {sorted(NETWORKS)}, found {kind!r}; name one of them."
        )
    with _explained(kind):
        # A name of its own would count the networks of the process, and get into the weights' file.
        training = {"objective": objective, "label_weight": label_weight}
        return NETWORKS[kind](**training, **{"name": kind, **arguments})


def network_with_weights(
    config: dict[str, Any],
    objective: Objective | DisplacementObjective | None = None,
    label_weight: float = 0.0,
) -> RegistrationNetwork:
    """Construct the network that `config` describes, with random weights, for images in 3D.

    Parameters, errors: see `build_network`.
    """
    network = build_network(config, objective, label_weight)
    with _explained(config["type"]):
        network.build()
    return network


@contextmanager
def _explained(kind: str) -> Iterator[None]:
    """Turn what Keras says of wrong arguments into one sentence."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise InputError(
            f"network {kind}: expected arguments that its constructor knows, found otherwise "
            f"({error}); compare with the files in experiments/lpba40."
        ) from error


def build_objective(config: dict[str, Any]) -> Objective | DisplacementObjective:
    """Construct the training loss that `config` describes.

    Parameters
    ----------
    config
        The weights of the loss and, if it is not `elbo`, its `type` (a key of `OBJECTIVES`).

    Raises
    ------
    InputError
        If the type is unknown or the weights do not fit it.
    """
    arguments = dict(config)
    kind = arguments.pop("type", "elbo")
    if not isinstance(kind, str) or kind not in OBJECTIVES:
        raise InputError(
            f"objective type: expected one of {sorted(OBJECTIVES)}, found {kind!r}; name one of "
            "them."
        )
    known = [field.name for field in dataclasses.fields(OBJECTIVES[kind])]
    if unknown := [key for key in arguments if key not in known]:
        raise InputError(
            f"objective {kind}: expected settings among {', '.join(known)}, found {unknown[0]!r}; "
            "correct the experiment's file."
        )
    try:
        return OBJECTIVES[kind](**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"objective {kind}: expected settings that it knows, found otherwise ({error}); "
            "compare with the files in experiments/lpba40."
        ) from error
