"""From a network's configuration to the network."""

from __future__ import annotations

from typing import Any

from pmrnet.errors import InputError
from pmrnet.nn.concatenation import ConcatenationNet
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.nn.objective import Objective
from pmrnet.nn.pmrnet import PMRNet
from pmrnet.nn.voxelmorph import VoxelMorph

NETWORKS: dict[str, type[RegistrationNetwork]] = {
    "pmrnet": PMRNet,
    "concatenation": ConcatenationNet,
    "voxelmorph": VoxelMorph,
}


def build_network(
    config: dict[str, Any], objective: Objective | None = None
) -> RegistrationNetwork:
    """Construct the network that `config` describes, without weights.

    Parameters
    ----------
    config
        `type` (a key of `NETWORKS`) and the constructor's arguments.
    objective
        The loss, for training.

    Raises
    ------
    InputError
        If the type is unknown or the arguments do not fit it.
    """
    arguments = dict(config)
    kind = arguments.pop("type", None)
    if kind not in NETWORKS:
        raise InputError(
            f"network type: expected one of {sorted(NETWORKS)}, found {kind!r}; name one of them."
        )
    try:
        return NETWORKS[kind](objective=objective, **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"network {kind}: expected arguments that its constructor knows, found otherwise "
            f"({error}); compare with experiments/lpba40/{kind}.yaml."
        ) from error
