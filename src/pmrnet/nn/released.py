"""PMR-Net as its authors released it, which is not quite the network of their paper.

Facts of src/residual_unet_3d.py and src/networks_lpba40.py in commit 8624580 of
lihaoliu-cambridge/unsupervised-medical-image-segmentation; no code of it is here.
"""

from __future__ import annotations

import itertools
from typing import Any

import keras
from keras import ops

from pmrnet.nn import layers
from pmrnet.nn.blocks import CONVOLUTIONS, ConvBlock, InceptionStem, nearest
from pmrnet.nn.network import Inference, Level, RegistrationNetwork

FUSIONS = ("average", "sum")


@keras.saving.register_keras_serializable(package="pmrnet")
class ReleasedPMRNet(RegistrationNetwork):
    """Two towers, latents of the moving one handed to the fixed one, and a decoder.

    Each image passes through a tower of its own: an inception stem to half resolution, then per
    level two convolutions with BatchNorm and, but for the last, max-pooling. A posterior of z is
    inferred at each level's input; a block of convolution maps z back to the features' width and
    joins the fixed tower there. A decoder leads back to half resolution, where it has a posterior
    of its own. The velocity is the fusion of that and of the levels' z except the coarsest.

    It differs from the paper in stem and widths (paper: the encoder of its [4]), in what the
    posteriors see (paper: both images' features), in the fusion (paper: "add them together"), in
    the decoder, and in the features of a level: mapped back from z, not the moving ones warped.
    The named options lead back to the paper where that is one step. Its objective is
    `feature_error="plain"` with `level_kl_weight=0.5`; the coarsest level has no term.

    Parameters
    ----------
    filters
        Channels of each level's first convolution; its second has twice as many.
    stem_kernels
        Kernel sizes of the stem, which shares filters[0] channels among them.
    normalise
        BatchNorm after every convolution of towers and decoder.
    normalise_posterior
        BatchNorm and LeakyReLU also after the mean and the log-variance of each level, as
        released; without, they are those of `GaussianPosterior`.
    combined
        False, as released: the levels' posteriors see the moving features alone. True, the paper:
        the moving and the fixed ones.
    fusion
        `average`, as released: the mean of all latents, repeated to the half grid with values as
        they are. `sum`, the paper: `LatentFusion`, in voxels.
    decoder_filters
        Channels of the convolution of one voxel before the last posterior.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (16, 32, 64, 128),
        stem_kernels: tuple[int, ...] = (2, 5, 7, 11),
        normalise: bool = True,
        normalise_posterior: bool = True,
        combined: bool = False,
        fusion: str = "average",
        decoder_filters: int = 16,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if len(filters) < 2 or any(b != 2 * a for a, b in itertools.pairwise(filters)):
            raise ValueError(f"filters must double from level to level; got {tuple(filters)}.")
        if not stem_kernels or filters[0] % len(stem_kernels):
            raise ValueError(
                f"filters[0] must be a multiple of the number of stem_kernels; got {filters[0]} "
                f"and {tuple(stem_kernels)}."
            )
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {FUSIONS}; got {fusion!r}.")
        self.filters = tuple(filters)
        self.stem_kernels = tuple(stem_kernels)
        self.normalise = normalise
        self.normalise_posterior = normalise_posterior
        self.combined = combined
        self.fusion = fusion
        self.decoder_filters = decoder_filters
        self.multiple = 2 ** len(filters)
        self.sum = layers.LatentFusion(name="sum")
        self.variance_sum = layers.LatentFusion(variance=True, name="variance_sum")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        axes = len(shape) - 2

        def built(layer: Any, channels: int) -> Any:
            layer.build((*shape[:-1], channels))
            return layer

        def block(channels: int, filters: tuple, name: str, normalise: bool, **options: Any) -> Any:
            return built(ConvBlock(filters, normalise, name=name, **options), channels)

        share = self.filters[0] // len(self.stem_kernels)
        self.moving_stem, self.fixed_stem = (
            built(InceptionStem(share, self.stem_kernels, strides=2, name=f"{image}_stem"), 1)
            for image in ("moving", "fixed")
        )
        on = self.normalise
        self.moving_levels, self.fixed_levels, self.posteriors, self.mappings = [], [], [], []
        for level, width in enumerate(self.filters):
            pair, seen = (width, 2 * width), width * (1 + self.combined)
            self.moving_levels.append(block(width, pair, f"moving_level{level}", on))
            self.fixed_levels.append(block(2 * width, pair, f"fixed_level{level}", on))
            if self.normalise_posterior:
                heads = [
                    block(seen, (axes,), f"{name}{level}", True, stddev=stddev)
                    for name, stddev in (("mean", 1e-5), ("log_variance", 1e-10))
                ]
            else:
                heads = [built(layers.GaussianPosterior(0, name=f"posterior{level}"), seen)]
            self.posteriors.append(heads)
            self.mappings.append(block(axes, (width,), f"mapping{level}", on))
        deepest = 2 * self.filters[-1]
        self.decoder = [block(2 * deepest, (deepest,), "decoder0", on)]
        for number, width in enumerate(reversed(self.filters[:-1]), start=1):
            self.decoder.append(block(deepest + width, (width, width), f"decoder{number}", on))
            deepest = width
        self.last = built(CONVOLUTIONS[axes](self.decoder_filters, 1, name="last"), deepest)
        self.posterior_model = built(
            layers.GaussianPosterior(0, name="posterior"), self.decoder_filters
        )
        super().build(input_shape)

    @property
    def level_count(self) -> int:
        """Number of feature-level models that enter the loss."""
        return len(self.filters) - 1

    def infer(self, moving: object, fixed: object, training: bool) -> Inference:
        """Posterior of the fused velocity, and in training the feature-level models."""
        return self._infer(moving, fixed, training, by_batch=training)

    def draw_from(self, shared: tuple) -> Inference:
        """As in training, but normalised as in use, by the running means."""
        return self._infer(*shared, training=True, by_batch=False)

    def _infer(self, moving: object, fixed: object, training: bool, by_batch: bool) -> Inference:
        levels, samples, skips, moving, fixed = self._towers(moving, fixed, training, by_batch)
        x = self.decoder[0](ops.concatenate([fixed, moving], axis=-1), training=by_batch)
        for block, skip in zip(self.decoder[1:], reversed(skips), strict=True):
            x = block(ops.concatenate([nearest(x), skip], axis=-1), training=by_batch)
        x = ops.leaky_relu(self.last(x), 0.2)
        mean, log_variance = self.posterior_model(x, mean_only=not training)
        fused = self._fuse([mean, *(level.mean for level in levels)])
        if not training:
            return Inference(fused)
        variances = [
            layers.variance_of(s) for s in (log_variance, *(level.log_variance for level in levels))
        ]
        return Inference(
            fused,
            log_variance=ops.log(self._fuse(variances, variance=True)),
            sample=self._fuse([self.sampler([mean, log_variance]), *samples]),
            levels=levels,
            penalised={"mean": mean, "log_variance": log_variance},
        )

    def _towers(self, moving: object, fixed: object, training: bool, by_batch: bool) -> tuple:
        """Both towers, side by side: all levels but the coarsest, and what leaves the deepest."""
        moving, fixed = self.moving_stem(moving), self.fixed_stem(fixed)
        levels, samples, skips = [], [], []
        for number, (heads, mapping, moving_level, fixed_level) in enumerate(
            zip(self.posteriors, self.mappings, self.moving_levels, self.fixed_levels, strict=True)
        ):
            if number:
                moving, fixed = (ops.max_pool(x, 2, 2, padding="valid") for x in (moving, fixed))
            seen = ops.concatenate([moving, fixed], axis=-1) if self.combined else moving
            if self.normalise_posterior:
                mean, log_variance = (head(seen, training=by_batch) for head in heads)
            else:
                mean, log_variance = heads[0](seen)
            z = self.sampler([mean, log_variance]) if training else mean
            mapped = mapping(z, training=by_batch)
            if number < self.level_count:
                levels.append(Level(mean, log_variance, fixed, mapped))
                samples.append(z)
                skips.append(fixed)
            fixed = fixed_level(ops.concatenate([mapped, fixed], axis=-1), training=by_batch)
            moving = moving_level(moving, training=by_batch)
        return levels, samples, skips, moving, fixed

    def _fuse(self, fields: list, variance: bool = False) -> object:
        """Fuse the decoder's field and the levels', or their variances."""
        last, *levels = fields
        if self.fusion == "sum":
            fusion = self.variance_sum if variance else self.sum
            return last + fusion(levels)
        total = last
        for times, field in enumerate(levels):
            total = total + nearest(field, times)
        return total / float(len(fields) ** (2 if variance else 1))

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "stem_kernels": list(self.stem_kernels),
            "normalise": self.normalise,
            "normalise_posterior": self.normalise_posterior,
            "combined": self.combined,
            "fusion": self.fusion,
            "decoder_filters": self.decoder_filters,
        }
