"""How often a network looks: as it was trained to, as its weights advise, or as somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pmrnet.nn.network import RegistrationNetwork


def passes_of(description: Mapping[str, Any]) -> int:
    """How often the network of a description looks; one that knows no passes looks once."""
    return description["network"].get("passes", 1)


def looking(
    network: RegistrationNetwork, description: dict[str, Any], passes: int | None = None
) -> tuple[RegistrationNetwork, dict[str, Any]]:
    """A network as registrations use it, and its description, which says how often it looks.

    Parameters
    ----------
    network, description
        From `pmrnet.weights.load_network`.
    passes
        How often it looks; None for the number that the description advises, else that of the
        training.

    Raises
    ------
    InputError
        If the network cannot look so often.
    """
    from pmrnet.nn.cascade import with_passes

    passes = description.get("passes") if passes is None else passes
    if passes is None:
        return network, description
    settings = {**description["network"], "passes": passes}
    return with_passes(network, passes), {**description, "network": settings}
