"""How often a network looks: as it was trained to, as its weights advise, or as somebody asks.

Passes are written as a number, 3, or with those before them at images of half the resolution, 1+3.
A number alone leaves the latter as many as the network was trained with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pmrnet.errors import InputError

if TYPE_CHECKING:
    from pmrnet.nn.network import RegistrationNetwork

Passes = int | str
_WRITTEN = re.compile(r"(?:([0-9]{1,9})\+)?([0-9]{1,9})")


def counts_of(passes: Passes) -> tuple[int, int | None]:
    """Number of passes, and of those at half the resolution before them; None: as trained.

    Raises
    ------
    InputError
        If it is no such number, or neither that nor two of them.
    """
    written = None if isinstance(passes, bool) else _WRITTEN.fullmatch(str(passes))
    if written is None or not int(written[2]):
        raise InputError(
            "passes: expected a number of 1 or more (3), or that of passes at half the resolution "
            f"before them, too (1+3), found {passes!r}; give such a number."
        )
    return int(written[2]), None if written[1] is None else int(written[1])


def parse_passes(text: str | None) -> Passes | None:
    """What the command line says: a number, two of them (1+3), or nothing.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if text is None:
        return None
    passes, coarse = counts_of(text)
    return passes if coarse is None else f"{coarse}+{passes}"


def is_passes(value: object) -> bool:
    """Whether passes may be written so."""
    try:
        return isinstance(value, int | str) and bool(counts_of(value))
    except InputError:
        return False


def passes_of(description: Mapping[str, Any]) -> Passes:
    """How often the network of a description looks; one that knows no passes looks once."""
    settings = description["network"]
    passes, coarse = settings.get("passes", 1), settings.get("coarse_passes")
    # Where a network has coarse passes by its training, a number alone would mean as many again.
    return passes if coarse is None else f"{coarse}+{passes}"


def told_passes(description: Mapping[str, Any]) -> dict[str, Passes]:
    """Entry `passes` of a record; nothing for a network that knows no passes."""
    return {"passes": passes_of(description)} if "passes" in description["network"] else {}


def looking(
    network: RegistrationNetwork, description: dict[str, Any], passes: Passes | None = None
) -> tuple[RegistrationNetwork, dict[str, Any]]:
    """A network as registrations use it, and its description, which says how often it looks.

    Parameters
    ----------
    network, description
        From `pmrnet.weights.load_network`.
    passes
        How often it looks, as this module writes it; None for what the description advises, else
        as it was trained to.

    Raises
    ------
    InputError
        If the network cannot look so often.
    """
    from pmrnet.nn.cascade import with_passes

    passes = description.get("passes") if passes is None else passes
    if passes is None:
        return network, description
    network = with_passes(network, *counts_of(passes))
    settings = {**description["network"], "passes": network.passes}
    if network.coarse_passes or "coarse_passes" in settings:
        settings["coarse_passes"] = network.coarse_passes
    return network, {**description, "network": settings}
