"""Saving and loading of weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmrnet.errors import InputError
from pmrnet.files import atomic_path, atomic_write_text
from pmrnet.value_checks import is_power_of_two
from pmrnet.weights.passes import Passes, is_passes
from pmrnet.weights.temperature import ENDING, read_temperature

if TYPE_CHECKING:
    from pmrnet.nn.network import RegistrationNetwork

_SHIPPED = Path(__file__).resolve().parent
_FORMAT = 1


def available() -> list[str]:
    """Names of the weights that ship with the package."""
    files = (path for path in _SHIPPED.glob("*.json") if not path.name.endswith(ENDING))
    return sorted(path.stem for path in files)


def save_weights(
    network: RegistrationNetwork,
    config: dict[str, Any],
    path: str | Path,
    spacing: int,
    training: dict[str, Any],
    half_precision: bool = False,
    passes: Passes | None = None,
) -> Path:
    """Write `<path>.json` and `<path>.weights.h5`.

    Parameters
    ----------
    network
        A built network.
    config
        What `pmrnet.nn.build.build_network` constructs it from.
    path
        Common stem of the two files; existing ones are replaced.
    spacing
        Voxel size in mm of the images that the network takes.
    training
        Provenance of the training, for the record.
    half_precision
        Store float16 values; the network computes in float32 all the same.
    passes
        How often the network should look in registrations, as `pmrnet.weights.passes` writes it, if
        not as often as it was trained to.

    Returns
    -------
    pathlib.Path
        The JSON file, which is written last.
    """
    path = Path(path)
    weights = path.with_name(path.name + ".weights.h5")
    with atomic_path(weights) as temporary:
        network.save_weights(temporary)
        if half_precision:
            from pmrnet.weights.half_precision import halve

            with atomic_path(temporary) as halved:
                halve(temporary, halved)
    description = {
        "format": _FORMAT,
        "network": config,
        "spacing": spacing,
        "weights": weights.name,
        "sha256": _sha256(weights),
        **({} if passes is None else {"passes": passes}),
        "training": training,
    }
    target = path.with_name(path.name + ".json")
    atomic_write_text(target, json.dumps(description, indent=1) + "\n")
    return target


class NoWeightsError(InputError):
    """There are no weights of a name.

    Parameters
    ----------
    name
        The name.
    others
        Names that would have done and are not weights.
    """

    def __init__(self, name: str | Path, others: Sequence[str] = ()) -> None:
        instead = f", {' or '.join(others)}, which need none" if others else ""
        super().__init__(
            f"{name}: expected the name of shipped weights ({', '.join(available())}){instead}, or "
            "the path of a weights JSON file, found none of these; correct the name."
        )


def load_network(name_or_path: str | Path) -> tuple[RegistrationNetwork, dict[str, Any]]:
    """Load a network with its weights.

    Parameters
    ----------
    name_or_path
        Name of weights that ship with the package, such as `lpba40-pmrnet`, or the path of a
        weights JSON file.

    Returns
    -------
    network : RegistrationNetwork
    description : dict
        Content of the JSON: `network`, `spacing`, `sha256`, `training`, ...; and `calibration`,
        what `pmrnet.weights.temperature` holds for these weights, or None.

    Raises
    ------
    InputError
        If there is no such file, it is no description of weights, the weights are missing, were
        changed, or belong to another network.
    """
    from pmrnet.nn.build import network_with_weights

    path = weights_json(name_or_path)
    description = _read(path)
    weights = path.parent / Path(description["weights"]).name
    if not weights.is_file():
        raise InputError(f"{path}: expected its weights {weights.name} beside it, found none.")
    found = _sha256(weights)
    if found != description["sha256"]:
        raise InputError(
            f"{weights}: expected SHA-256 {description['sha256'][:12]}..., found {found[:12]}...: "
            "the file is damaged or of another network; get it again."
        )
    network = network_with_weights(description["network"])
    try:
        network.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"{weights}: expected the weights of {description['network']}, found those of another "
            f"network ({str(error).splitlines()[0]}); use the JSON that was written with them."
        ) from error
    description["calibration"] = read_temperature(path, description["sha256"])
    return network, description


def weights_json(name_or_path: str | Path) -> Path:
    """JSON file of weights, by the name of shipped ones or the file's path.

    Raises
    ------
    InputError
        If there is none.
    """
    shipped = _SHIPPED / f"{name_or_path}.json"
    path = shipped if shipped.is_file() else Path(name_or_path)
    if path.suffix != ".json" or not path.is_file():
        raise NoWeightsError(name_or_path)
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text())
        missing = {"format", "network", "spacing", "weights", "sha256"} - set(description)
        if missing or description["format"] != _FORMAT:
            raise ValueError(f"format {description.get('format')}, lacks {sorted(missing)}")
        kinds = {"network": dict, "weights": str, "sha256": str}
        for key, kind in kinds.items():
            if not isinstance(description[key], kind):
                raise ValueError(f"{description[key]!r} at {key!r}")
        if not is_power_of_two(description["spacing"]):  # as experiments have it
            raise ValueError(f"{description['spacing']!r} at 'spacing'")
        if not is_passes(description.get("passes", 1)):
            raise ValueError(f"{description['passes']!r} at 'passes'")
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: expected a description of weights (format {_FORMAT}), found {error}."
        ) from error
    return description


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
