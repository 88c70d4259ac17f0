"""PMR-Net (Liu et al., MICCAI 2019)."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet.nn import layers
from pmrnet.nn.cascade import CascadedNetwork
from pmrnet.nn.cost_volume import cost_volume
from pmrnet.nn.encoder import Encoder
from pmrnet.nn.network import Inference, Level


@keras.saving.register_keras_serializable(package="pmrnet")
class PMRNet(CascadedNetwork):
    """Two encoders, a feature-level probabilistic model at every level, and their fusion.

    The moving and the fixed image each pass through an encoder of their own (section 2.4.2:
    VoxelMorph's). At every level a Gaussian posterior of a velocity field is inferred from the
    concatenated features (section 2.2); the velocities of all levels are brought to the first
    level's grid and added (section 2.3). In training, each level's sample is also integrated and
    warps the moving features onto the fixed ones: the direct regularisation of hidden layers that
    the paper is about.

    Parameters
    ----------
    filters
        Channels of the encoders' levels.
    hidden_filters, hidden_kernels
        Per level, the convolution between combined features and posterior (ours: the paper only
        says "convolutional layers").
    hidden_layers
        Per level, how many such convolutions follow one another; one by default.
    levels
        The levels that have a feature-level model and take part in the fusion: all of them in the
        paper, the last one alone in its Baseline-2.
    shared_encoder
        True, ours: one encoder for both images, so that their features are of one kind. False,
        the paper: two CNNs.
    cost_radius
        What the posteriors see of the combined features besides their concatenation: how well they
        match at each displacement up to this many voxels along every axis, see `cost_volume`; 0
        for nothing. Ours: the paper does not say how features are combined.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (16, 32, 32, 32),
        hidden_filters: tuple[int, ...] = (8, 32, 32, 32),
        hidden_kernels: tuple[int, ...] = (1, 1, 3, 3),
        hidden_layers: tuple[int, ...] | None = None,
        levels: tuple[int, ...] | None = None,
        shared_encoder: bool = False,
        cost_radius: int = 0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.hidden_layers = layers.hidden_layers_per_level(
            filters, hidden_filters, hidden_kernels, hidden_layers
        )
        self.filters = tuple(filters)
        self.hidden_filters = tuple(hidden_filters)
        self.hidden_kernels = tuple(hidden_kernels)
        self.levels = tuple(range(1, len(filters) + 1)) if levels is None else tuple(levels)
        if not self.levels or sorted(set(self.levels) & set(range(1, len(filters) + 1))) != list(
            self.levels
        ):
            raise ValueError(
                f"levels must be some of 1 to {len(filters)}, in ascending order; got {levels}."
            )
        self.multiple = 2 ** len(filters)
        self.moving_encoder = Encoder(filters, name="moving_encoder")
        if cost_radius < 0:
            raise ValueError(f"cost_radius must be 0 or more voxels; got {cost_radius}.")
        self.shared_encoder = shared_encoder
        self.cost_radius = cost_radius
        self.fixed_encoder = self.moving_encoder
        if not shared_encoder:
            self.fixed_encoder = Encoder(filters, name="fixed_encoder")
        self.posteriors = [
            layers.GaussianPosterior(
                hidden_filters[level - 1],
                hidden_kernels[level - 1],
                self.hidden_layers[level - 1],
                name=f"posterior{level}",
            )
            for level in self.levels
        ]
        self.fusion = layers.LatentFusion(name="fusion")
        self.variance_fusion = layers.LatentFusion(variance=True, name="variance_fusion")
        self.feature_transformer = layers.SpatialTransformer(name="feature_transformer")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        for encoder in (self.moving_encoder, self.fixed_encoder):
            if not encoder.built:
                encoder.build(shape)
        for level, posterior in zip(self.levels, self.posteriors, strict=True):
            posterior.build((*shape[:-1], self._combined_channels(level, len(shape) - 2)))
        super().build(input_shape)

    @property
    def level_count(self) -> int:
        """Number of feature-level models, L of equation 5."""
        return len(self.levels)

    def look_at_fixed(self, fixed: object) -> list:
        """Feature maps of the fixed image, finest first."""
        return self.fixed_encoder(fixed)

    def look(self, moving: object, fixed: list, mean_only: bool) -> tuple[list, list]:
        """Feature maps of both images, finest first."""
        return self.moving_encoder(moving), fixed

    def sample_seen(self, seen: tuple[list, list]) -> object:
        """A sample of the fused velocity, from the feature maps."""
        _, samples, _ = self._infer_levels(self._pairs(*seen), training=True, compare=False)
        return self._fuse(self.fusion, samples)

    def infer_seen(self, seen: tuple[list, list], training: bool) -> Inference:
        """Posterior of the fused velocity, and in training the feature-level models."""
        pairs = self._pairs(*seen)
        posteriors, samples, moved = self._infer_levels(pairs, training)
        mean = self._fuse(self.fusion, [mean for mean, _ in posteriors])
        if not training:
            return Inference(mean)
        variance = self._fuse(self.variance_fusion, [layers.variance_of(s) for _, s in posteriors])
        return Inference(
            mean,
            log_variance=ops.log(variance),
            sample=self._fuse(self.fusion, samples),
            levels=[
                Level(*posterior, fixed_features=fixed_features, moved_features=moved_features)
                for posterior, (_, fixed_features), moved_features in zip(
                    posteriors, pairs, moved, strict=True
                )
            ],
        )

    def _pairs(self, moving: list, fixed: list) -> list[tuple]:
        """Both images' features at each of `self.levels`."""
        return [(moving[level - 1], fixed[level - 1]) for level in self.levels]

    def _combined_channels(self, level: int, axes: int) -> int:
        """Channels of `_combine` at a level (1, 2, ...) of images with so many grid axes."""
        costs = (2 * self.cost_radius + 1) ** axes if self.cost_radius else 0
        return 2 * self.filters[level - 1] + costs

    def _combine(self, moving: object, fixed: object) -> object:
        """What a level's posterior sees of the features of both images."""
        combined = [moving, fixed]
        if self.cost_radius:
            combined.append(cost_volume(fixed, moving, self.cost_radius))
        return ops.concatenate(combined, axis=-1)

    def _fuse(self, fusion: layers.LatentFusion, fields: list) -> object:
        """Fuse the fields of `self.levels`; levels without a field count as zero."""
        by_level = dict(zip(self.levels, fields, strict=True))
        return fusion([by_level.get(level) for level in range(1, self.levels[-1] + 1)])

    def _infer_levels(
        self, pairs: list, training: bool, compare: bool = True
    ) -> tuple[list, list, list]:
        """Posteriors, samples and moved features of all levels, each by itself (the paper).

        Samples in training only, and without `compare` no moved features, which the loss needs.
        """
        posteriors = [
            posterior(self._combine(*pair), mean_only=not training)
            for posterior, pair in zip(self.posteriors, pairs, strict=True)
        ]
        if not training:
            return posteriors, [], []
        samples = [self.sampler(list(posterior)) for posterior in posteriors]
        if not compare:
            return posteriors, samples, []
        moved = [
            self._warp_features(moving_features, sample)
            for (moving_features, _), sample in zip(pairs, samples, strict=True)
        ]
        return posteriors, samples, moved

    def _warp_features(self, features: object, velocity: object) -> object:
        return self.feature_transformer([features, self.integration(velocity)])

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "hidden_filters": list(self.hidden_filters),
            "hidden_kernels": list(self.hidden_kernels),
            "hidden_layers": list(self.hidden_layers),
            "levels": list(self.levels),
            "shared_encoder": self.shared_encoder,
            "cost_radius": self.cost_radius,
        }
