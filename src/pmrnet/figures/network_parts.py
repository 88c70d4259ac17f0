"""A network as boxes and arrows, read off its layers: what the diagram draws."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

from pmrnet.figures.style import TIMES
from pmrnet.nn.concatenation import ConcatenationNet
from pmrnet.nn.encoder import Encoder
from pmrnet.nn.layers import GaussianPosterior
from pmrnet.nn.network import RegistrationNetwork
from pmrnet.nn.pmrnet import PMRNet
from pmrnet.nn.pmrnet_plus import PMRNetPlus
from pmrnet.nn.voxelmorph import VoxelMorph

# Between the middles of two columns; a box is 1 wide.
_STEP = 1.15
_LISTED_COLUMNS = 4


@dataclass(frozen=True)
class Part:
    """A box of the diagram.

    Attributes
    ----------
    name
        Unique.
    text
        First line of what it says.
    kind
        One of image, features, posterior, fusion, field.
    column, row
        Its place; rows 1, 2, ... are the levels, 0 is the image's grid.
    grid
        Voxels of what leaves it.
    channels
        Its channels.
    operation
        The layer that makes it, as its last line; empty for images.
    """

    name: str
    text: str
    kind: str
    column: float
    row: float
    grid: tuple[int, ...]
    channels: int
    operation: str = ""


@dataclass
class Parts:
    """Boxes by name, arrows (from, to, whether in training only), and what they do not tell."""

    boxes: dict[str, Part] = field(default_factory=dict)
    arrows: list[tuple[str, str, bool]] = field(default_factory=list)
    note: str = ""

    def add(self, part: Part, *sources: str, training: bool = False) -> None:
        """Add a box and arrows that lead to it."""
        self.boxes[part.name] = part
        self.arrows += [(source, part.name, training) for source in sources]


def network_parts(network: RegistrationNetwork, shape: tuple[int, ...]) -> Parts:
    """Take a built network apart.

    Parameters
    ----------
    network
        Of any type in `pmrnet.nn.build.NETWORKS`, built. Of a type without a layout of its own, the
        layers with weights are listed between images and velocity.
    shape
        Voxels of the images, a multiple of ``network.multiple`` each.

    Returns
    -------
    Parts
        All channels and kernels as the layers' weights have them.
    """
    parts = Parts()
    for number, name in enumerate(("moving", "fixed")):
        parts.add(Part(name, f"{name} image", "image", _STEP * number, 0, shape, 1))
    layouts = {
        PMRNet: _pmrnet,
        PMRNetPlus: _pmrnet,
        ConcatenationNet: _concatenation,
        VoxelMorph: _voxelmorph,
    }
    # What derives from one of them may be built otherwise.
    column, source = layouts.get(type(network), _listed)(parts, network, shape)
    _tail(parts, network, shape, column, source)
    return parts


def at_level(shape: tuple[int, ...], level: int) -> tuple[int, ...]:
    """Voxels of a level's grid; level 0 is the image."""
    return tuple(n // 2**level for n in shape)


def convolution(layer: object) -> str:
    """Say a convolution's kernel and stride."""
    stride = f", stride {layer.strides[0]}" if layer.strides[0] > 1 else ""
    return f"conv {_kernel(layer)}{stride}"


def _kernel(layer: object) -> str:
    """Say a kernel's size: 3³ for 3 voxels along each of 3 axes."""
    sizes = layer.kernel.shape[:-2]
    if len(set(sizes)) > 1:
        return TIMES.join(map(str, sizes))
    return f"{sizes[0]}{'_¹²³'[len(sizes)]}"


def _encoder(
    parts: Parts,
    encoder: Encoder,
    shape: tuple,
    column: float,
    sources: tuple,
    key: str,
    operations: list[str] | None = None,
) -> list[str]:
    """Add an encoder's levels; `operations` says what makes them, if not its convolutions alone."""
    names = []
    for level, layer in enumerate(encoder.convolutions, start=1):
        name = f"{key}{level}"
        pool = ", max-pool 2" if encoder.downsampling == "pool" else ""
        operation = operations[level - 1] if operations else convolution(layer) + pool
        parts.add(
            Part(
                name,
                f"{key} features {level}",
                "features",
                column,
                level,
                at_level(shape, level),
                layer.kernel.shape[-1],
                operation,
            ),
            *(sources if level == 1 else (f"{key}{level - 1}",)),
        )
        names.append(name)
    return names


def _posterior_text(posterior: GaussianPosterior) -> str:
    hidden = ""
    if posterior.hidden is not None:
        repeated = _times(posterior.hidden_layers)
        filters = posterior.hidden.kernel.shape[-1]
        hidden = f"{repeated}conv {_kernel(posterior.hidden)} → {filters}, "
    return f"{hidden}heads {_kernel(posterior.mean)}"


def _times(count: int) -> str:
    """How often the convolution that is said next is there."""
    return f"{count} {TIMES} " if count > 1 else ""


def _pmrnet_operations(network: PMRNet, key: str) -> list[str]:
    """What makes the levels of the moving or the fixed image's features."""
    if key == "fixed" and network.shared_encoder:
        return ["the same weights"] * len(network.filters)
    encoder = network.moving_encoder if key == "moving" else network.fixed_encoder
    operations = [convolution(layer) for layer in encoder.convolutions]
    if isinstance(network, PMRNetPlus) and network.top_down:
        merging = network.moving_top_down if key == "moving" else network.fixed_top_down
        for level, layer in enumerate(merging.convolutions):
            operations[level] += f", coarser by {convolution(layer)}"
    return operations


def _pmrnet(parts: Parts, network: PMRNet, shape: tuple) -> tuple[float, str]:
    for column, (key, encoder) in enumerate(
        (("moving", network.moving_encoder), ("fixed", network.fixed_encoder))
    ):
        operations = _pmrnet_operations(network, key)
        _encoder(parts, encoder, shape, _STEP * column, (key,), key, operations)
    costs = ""
    if network.cost_radius:
        costs = f"{(2 * network.cost_radius + 1) ** len(shape)} costs, "
    latents = []
    for level, posterior in zip(network.levels, network.posteriors, strict=True):
        latents.append(f"posterior{level}")
        axes = posterior.mean.kernel.shape[-1]
        parts.add(
            Part(
                latents[-1],
                f"posterior z{level}: μ, log σ²",
                "posterior",
                2 * _STEP,
                level,
                at_level(shape, level),
                axes,
                costs + _posterior_text(posterior),
            ),
            f"moving{level}",
            f"fixed{level}",
        )
        warped = Part(
            f"warped{level}",
            f"warped features {level}",
            "field",
            3 * _STEP,
            level + 0.42,
            at_level(shape, level),
            network.moving_encoder.convolutions[level - 1].kernel.shape[-1],
            f"moving features {level} by z{level}",
        )
        parts.add(warped, latents[-1], training=True)
    if isinstance(network, PMRNetPlus):
        parts.arrows += [(coarser, finer, False) for finer, coarser in itertools.pairwise(latents)]
    doubled = "levels scaled and added" if network.levels[-1] > 1 else "as it is"
    parts.add(
        Part(
            "velocity",
            "fusion: velocity z",
            "fusion",
            4 * _STEP,
            1,
            at_level(shape, 1),
            axes,
            doubled,
        ),
        *latents,
    )
    return 4 * _STEP, "velocity"


def _concatenation(parts: Parts, network: ConcatenationNet, shape: tuple) -> tuple[float, str]:
    for column, (key, encoder) in enumerate(
        (("moving", network.moving_encoder), ("fixed", network.fixed_encoder))
    ):
        _encoder(parts, encoder, shape, _STEP * column, (key,), key)
    combined = []
    for level, (layer, count) in enumerate(
        zip(network.combinations, network.hidden_layers, strict=True), start=1
    ):
        combined.append(f"combined{level}")
        part = Part(
            combined[-1],
            f"combined features {level}",
            "features",
            2 * _STEP,
            level,
            at_level(shape, level),
            layer.kernel.shape[-1],
            _times(count) + convolution(layer),
        )
        parts.add(part, f"moving{level}", f"fixed{level}")
    kernel = network.posterior_model.mean.kernel.shape
    joined = Part(
        "joined",
        "all levels, concatenated",
        "fusion",
        3 * _STEP,
        1,
        at_level(shape, 1),
        kernel[-2],
        "resized to level 1",
    )
    parts.add(joined, *combined)
    return _one_posterior(parts, network.posterior_model, shape, 4 * _STEP, "joined")


def _voxelmorph(parts: Parts, network: VoxelMorph, shape: tuple) -> tuple[float, str]:
    encoded = _encoder(parts, network.encoder, shape, _STEP / 2, ("moving", "fixed"), "encoder")
    source, count = encoded[-1], len(encoded)
    for number, layer in enumerate(network.decoder, start=1):
        # One convolution at each grid from the coarsest up; the rest at half resolution.
        level = max(count + 1 - number, 1)
        beyond = max(number - count, 0)
        name = f"decoder{number}"
        part = Part(
            name,
            f"decoder {number}",
            "features",
            2 * _STEP + _STEP * min(beyond, 1),
            level + max(beyond - 1, 0),
            at_level(shape, level),
            layer.kernel.shape[-1],
            convolution(layer),
        )
        skip = (f"encoder{level}",) if 1 < number <= count else ()
        parts.add(part, source, *skip)
        source = name
    return _one_posterior(parts, network.posterior_model, shape, 4 * _STEP, source)


def _listed(parts: Parts, network: RegistrationNetwork, shape: tuple) -> tuple[float, str]:
    layers = [layer for layer in network._flatten_layers() if hasattr(layer, "filters")]
    layers = [layer for layer in layers if hasattr(layer, "kernel")]
    high = max(5, math.ceil(len(layers) / _LISTED_COLUMNS))
    for number, layer in enumerate(layers):
        part = Part(
            f"layer{number}",
            layer.name,
            "features",
            _STEP * (number // high),
            1 + number % high,
            (),
            layer.filters,
            convolution(layer),
        )
        parts.add(part)
    parts.note = "Layers with weights, in no order; their connections are not drawn."
    column = _STEP * (1 + (len(layers) - 1) // high)
    if not network.has_velocity:
        return column, ""
    parts.add(Part("velocity", "velocity", "posterior", column, 1, at_level(shape, 1), len(shape)))
    return column, "velocity"


def _one_posterior(
    parts: Parts, posterior: GaussianPosterior, shape: tuple, column: float, source: str
) -> tuple[float, str]:
    part = Part(
        "velocity",
        "posterior z: μ, log σ²",
        "posterior",
        column,
        1,
        at_level(shape, 1),
        posterior.mean.kernel.shape[-1],
        _posterior_text(posterior),
    )
    parts.add(part, source)
    return column, "velocity"


def _tail(
    parts: Parts, network: RegistrationNetwork, shape: tuple, column: float, source: str
) -> None:
    """From the velocity on, or from the displacement where there is none, all are alike."""
    axes = len(shape)
    steps = f"{network.integration.steps} squarings"
    if source:
        integrated = Part(
            "integrated", "integration", "field", column, 2, at_level(shape, 1), axes, steps
        )
        parts.add(integrated, source)
    how, sources = ("grid, values doubled", ("integrated",)) if source else ("as it is", ())
    resized = Part("displacement", "displacement u", "field", column, 3, shape, axes, how)
    parts.add(resized, *sources)
    moved = Part("moved", "moved image", "image", column, 4, shape, 1, "moving image at p + u(p)")
    parts.add(moved, "displacement")
