"""The VoxelMorph authors' published `.h5` weights, read as arrays: nothing in the file is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from pmrnet.errors import InputError

if TYPE_CHECKING:
    from pmrnet.nn.voxelmorph import VoxelMorph

# Of layer names, in the order of the network's convolutions: VoxelMorph 0.2's, then those of 2018.
_ENCODER = (r"unet_enc_conv_(\d+)", r"unet_dec_conv_(\d+)", r"unet_dec_final_conv_(\d+)")
_LEGACY = r"conv3d_(\d+)$"
_HEADS = {"mean": r"flow$", "log_variance": r"log_sigma$"}


def load_voxelmorph_weights(network: VoxelMorph, path: str | Path) -> None:
    """Put the weights of VoxelMorph's probabilistic network into ours.

    Parameters
    ----------
    network
        Built, with the architecture of the file: `flavour="2018"` for files of that time
        (`miccai2018_10_02_init1.h5`), `"0.2"` for those of VoxelMorph 0.2.
    path
        A Keras 2 `.h5` file of weights or of a whole model. Only its arrays are read; a model's
        description, which may hold pickled code, is not.

    Raises
    ------
    InputError
        If the file is not HDF5, or lacks a layer, or a layer has another shape.
    """
    path = Path(path)
    arrays = _read(path)
    convolutions = [*network.encoder.convolutions, *network.decoder]
    found = _convolutions(arrays)
    if len(found) != len(convolutions):
        raise InputError(
            f"{path}: expected {len(convolutions)} convolutions before the heads, found "
            f"{len(found)}; give weights of VoxelMorph's probabilistic network of this size."
        )
    pairs = list(zip(convolutions, found, strict=True))
    for name, pattern in _HEADS.items():
        matches = [key for key in arrays if re.search(pattern, key)]
        if len(matches) != 1:
            raise InputError(
                f"{path}: expected one layer {pattern.rstrip('$')!r}, found {len(matches)}; give "
                "weights of a network with a posterior (use_probs), not of a deterministic one."
            )
        pairs.append((getattr(network.posterior_model, name), matches[0]))
    for layer, key in pairs:  # all are checked before any is set
        expected = [tuple(weight.shape) for weight in layer.weights]
        shapes = [array.shape for array in arrays[key]]
        if shapes != expected:
            raise InputError(
                f"{path}: expected {expected} for {layer.name}, found {shapes} in {key}; give "
                "weights of this architecture."
            )
    for layer, key in pairs:
        layer.set_weights(arrays[key])


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    """Kernel and bias by layer."""
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            layers: dict[str, list[np.ndarray]] = {}

            def visit(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset):
                    layer, _, weight = name.rpartition("/")
                    entry = layers.setdefault(layer.split("/")[0], [])
                    # Alphabetical order is by chance Keras' own: bias, kernel; reversed here.
                    entry.insert(0, np.asarray(item)) if weight.startswith("kernel") else (
                        entry.append(np.asarray(item))
                    )

            root.visititems(visit)
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path}: expected a Keras .h5 file, found none that can be read ({error}); download "
            "it again."
        ) from error
    return layers


def _convolutions(arrays: dict[str, list[np.ndarray]]) -> list[str]:
    """Layer names of encoder and decoder in the order of the network."""

    def numbered(pattern: str) -> list[tuple[int, str]]:
        return sorted(
            (int(match.group(1)), key) for key in arrays if (match := re.search(pattern, key))
        )

    encoder, decoder, final = (numbered(pattern) for pattern in _ENCODER)
    if encoder:  # the decoder's numbers are of levels, finest first
        return [key for _, key in [*encoder, *reversed(decoder), *final]]
    return [key for _, key in numbered(_LEGACY)]
