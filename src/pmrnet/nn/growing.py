"""Give a network for finer images the weights of one that was trained at half their resolution.

At twice the resolution the same network sees half as far, in millimetres, at every level. One more
level in front of the others keeps what they see, and starts as if it were not there: its features
pass on the image as the other network saw it, and what it adds to the velocity is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from pmrnet.nn.concatenation import ConcatenationNet
from pmrnet.nn.encoder import Encoder
from pmrnet.nn.layers import GaussianPosterior
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.nn.pmrnet import PMRNet
from pmrnet.nn.pmrnet_plus import PMRNetPlus

#: the types of network, as experiments call them, that `grow` takes
GROWING = ("pmrnet", "pmrnet-plus", "concatenation")

_PER_LEVEL = ("filters", "hidden_filters", "hidden_kernels", "hidden_layers", "repeats")

# What smooths an image before every other voxel is kept (`pmrnet.data.downsampling`), as far as the
# taps of a convolution of stride 2 reach, which are at 0, 1 and 2 voxels from the one that is kept.
_TAPS = np.exp(-0.5 * (np.arange(3) / 0.7) ** 2)

# A kernel of three taps, for what is linear between the voxels, on a grid twice as fine:
# f(2) = f(0) + f(1) - f(-1), and f(-2) likewise.
_FINER = np.array([[1, 0, -1], [1, 1, 1], [-1, 0, 1]])


def coarser_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the network that lacks the finest level of these, as experiments give them."""
    coarser = {
        key: list(value)[1:] if key in _PER_LEVEL and value is not None else value
        for key, value in settings.items()
    }
    if settings.get("levels") is not None:
        coarser["levels"] = [level - 1 for level in settings["levels"] if level > 1]
    return coarser


def grow(network: RegistrationNetwork, coarser: RegistrationNetwork) -> None:
    """Set the weights of a network from those of one that lacks its finest level.

    `PMRNet` then gives, for an image, what the other one gives for the image at half the
    resolution, on a grid twice as fine; `PMRNetPlus` too, but for the detail of what its passes
    warp in between. `ConcatenationNet` does so roughly: its last convolution continues on a grid
    twice as fine, for features that are linear there, which those of coarser levels are only
    piecewise.

    Parameters
    ----------
    network
        Built, of a type of `GROWING`; weights of the finest level's posterior stay as they are.
    coarser
        Built, of the settings that `coarser_settings` gives.

    Raises
    ------
    TypeError
        If the network is of another type.
    """
    if type(network) not in (PMRNet, PMRNetPlus, ConcatenationNet):
        raise TypeError(
            "expected PMRNet, PMRNetPlus or ConcatenationNet itself, found "
            f"{type(network).__name__}."
        )
    # Where both images share an encoder, the second of these does no more than the first.
    for images in ("moving", "fixed"):
        _grow_encoder(*(getattr(net, f"{images}_encoder") for net in (network, coarser)))
        if getattr(network, "top_down", False):
            ours, theirs = (getattr(net, f"{images}_top_down") for net in (network, coarser))
            _copy(ours.convolutions[1:], theirs.convolutions)
    if isinstance(network, PMRNet):
        _copy(network.posteriors[-len(coarser.posteriors) :], coarser.posteriors)
    else:
        added = network.hidden_layers[0] - 1
        ours = [*network.combinations[1:], *network.further_combinations[added:]]
        _copy(ours, [*coarser.combinations, *coarser.further_combinations])
        _grow_posterior(network.posterior_model, coarser.posterior_model)


def _copy(ours: Iterable[keras.Layer], theirs: Iterable[keras.Layer]) -> None:
    for layer, found in zip(ours, theirs, strict=True):
        layer.set_weights(found.get_weights())


def _grow_encoder(ours: Encoder, theirs: Encoder) -> None:
    """Let the first channel of the first level be the image, smoothed, of which the others see."""
    first, second, *others = ours.convolutions
    kernel, bias = first.get_weights()
    axes = kernel.ndim - 2
    smoothing = _TAPS
    for _ in range(axes - 1):
        smoothing = np.multiply.outer(smoothing, _TAPS)
    kernel[..., 0, 0] = smoothing / smoothing.sum()
    bias[0] = 0
    first.set_weights([kernel, bias])
    seen, bias = theirs.convolutions[0].get_weights()
    kernel = np.zeros(second.kernel.shape, np.float32)
    kernel[..., :1, :] = seen
    second.set_weights([kernel, bias])
    _copy(others, theirs.convolutions[1:])


def _grow_posterior(ours: GaussianPosterior, theirs: GaussianPosterior) -> None:
    """Continue a posterior's heads on a grid twice as fine, whose voxels are half as large."""
    for name, scale, shift in (("mean", 2.0, 0.0), ("log_variance", 1.0, 2 * np.log(2))):
        kernel, bias = getattr(theirs, name).get_weights()
        axes = kernel.ndim - 2
        for axis in range(axes):
            kernel = np.moveaxis(np.tensordot(_FINER, kernel, axes=(1, axis)), 0, axis)
        head = getattr(ours, name)
        grown = np.zeros(head.kernel.shape, np.float32)
        grown[..., -kernel.shape[-2] :, :] = scale * kernel
        head.set_weights([grown, scale * bias + shift])
