"""PMR-Net (Liu et al., MICCAI 2019)."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet.nn import layers
from pmrnet.nn.encoder import Encoder
from pmrnet.nn.network import Inference, Level, RegistrationNetwork


@keras.saving.register_keras_serializable(package="pmrnet")
class PMRNet(RegistrationNetwork):
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
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (16, 32, 32, 32),
        hidden_filters: tuple[int, ...] = (8, 32, 32, 32),
        hidden_kernels: tuple[int, ...] = (1, 1, 3, 3),
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if not len(filters) == len(hidden_filters) == len(hidden_kernels):
            raise ValueError(
                "filters, hidden_filters and hidden_kernels need one entry per level; got "
                f"{len(filters)}, {len(hidden_filters)} and {len(hidden_kernels)}."
            )
        self.filters = tuple(filters)
        self.hidden_filters = tuple(hidden_filters)
        self.hidden_kernels = tuple(hidden_kernels)
        self.multiple = 2 ** len(filters)
        self.moving_encoder = Encoder(filters, name="moving_encoder")
        self.fixed_encoder = Encoder(filters, name="fixed_encoder")
        self.posteriors = [
            layers.GaussianPosterior(hidden, kernel, name=f"posterior{level}")
            for level, (hidden, kernel) in enumerate(
                zip(hidden_filters, hidden_kernels, strict=True), start=1
            )
        ]
        self.fusion = layers.LatentFusion(name="fusion")
        self.variance_fusion = layers.LatentFusion(variance=True, name="variance_fusion")
        self.feature_transformer = layers.SpatialTransformer(name="feature_transformer")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        for encoder in (self.moving_encoder, self.fixed_encoder):
            encoder.build(shape)
        for posterior, channels in zip(self.posteriors, self.filters, strict=True):
            posterior.build((*shape[:-1], 2 * channels))
        super().build(input_shape)

    @property
    def level_count(self) -> int:
        """Number of feature-level models, L of equation 5."""
        return len(self.filters)

    def infer(self, moving: object, fixed: object, training: bool) -> Inference:
        """Posterior of the fused velocity, and in training the feature-level models."""
        pairs = list(zip(self.moving_encoder(moving), self.fixed_encoder(fixed), strict=True))
        posteriors = [
            posterior(ops.concatenate(pair, axis=-1), mean_only=not training)
            for posterior, pair in zip(self.posteriors, pairs, strict=True)
        ]
        mean = self.fusion([mean for mean, _ in posteriors])
        if not training:
            return Inference(mean)
        samples = [self.sampler(list(posterior)) for posterior in posteriors]
        variance = self.variance_fusion([ops.exp(s) for _, s in posteriors])
        return Inference(
            mean,
            log_variance=ops.log(variance),
            sample=self.fusion(samples),
            levels=[
                Level(
                    *posterior,
                    fixed_features=fixed_features,
                    moved_features=self.feature_transformer(
                        [moving_features, self.integration(sample)]
                    ),
                )
                for posterior, sample, (moving_features, fixed_features) in zip(
                    posteriors, samples, pairs, strict=True
                )
            ],
        )

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "hidden_filters": list(self.hidden_filters),
            "hidden_kernels": list(self.hidden_kernels),
        }
