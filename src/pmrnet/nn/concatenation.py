"""Baseline-1 of the paper (section 3.2.3): concatenation in place of the feature-level models."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet import spatial
from pmrnet.nn import layers
from pmrnet.nn.encoder import Encoder
from pmrnet.nn.single_posterior import SinglePosteriorNetwork


@keras.saving.register_keras_serializable(package="pmrnet")
class ConcatenationNet(SinglePosteriorNetwork):
    """PMR-Net's two encoders, their features combined at every level, and a single posterior.

    Where PMR-Net infers a velocity from the combined features of each level and adds the
    velocities, this adds up nothing and regularises nothing in between: the combined features of
    all levels are brought to the first level's grid and concatenated there.

    Parameters
    ----------
    filters
        Channels of the encoders' levels.
    hidden_filters, hidden_kernels
        Per level, the convolution that combines the features of the two encoders, as in `PMRNet`.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (16, 32, 32, 32),
        hidden_filters: tuple[int, ...] = (8, 32, 32, 32),
        hidden_kernels: tuple[int, ...] = (1, 1, 3, 3),
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.hidden_filters = tuple(hidden_filters)
        self.hidden_kernels = tuple(hidden_kernels)
        self.multiple = 2 ** len(filters)
        self.moving_encoder = Encoder(filters, name="moving_encoder")
        self.fixed_encoder = Encoder(filters, name="fixed_encoder")
        self.posterior_model = layers.GaussianPosterior(0, name="posterior")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        conv = {2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[len(shape) - 2]
        for encoder in (self.moving_encoder, self.fixed_encoder):
            encoder.build(shape)
        self.combinations = []
        for level, (channels, hidden, kernel) in enumerate(
            zip(self.filters, self.hidden_filters, self.hidden_kernels, strict=True), start=1
        ):
            layer = conv(
                hidden,
                kernel,
                padding="same",
                kernel_initializer="he_normal",
                name=f"combination{level}",
            )
            layer.build((*shape[:-1], 2 * channels))
            self.combinations.append(layer)
        self.posterior_model.build((*shape[:-1], sum(self.hidden_filters)))
        super().build(input_shape)

    def infer_posterior(self, moving: object, fixed: object, mean_only: bool) -> tuple:
        """Posterior of the velocity on the first level's grid."""
        pairs = zip(self.moving_encoder(moving), self.fixed_encoder(fixed), strict=True)
        combined = [
            spatial.upsample(
                ops.leaky_relu(layer(ops.concatenate(pair, axis=-1)), 0.2), times=times
            )
            for times, (layer, pair) in enumerate(zip(self.combinations, pairs, strict=True))
        ]
        return self.posterior_model(ops.concatenate(combined, axis=-1), mean_only=mean_only)

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "hidden_filters": list(self.hidden_filters),
            "hidden_kernels": list(self.hidden_kernels),
        }
