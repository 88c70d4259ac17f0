"""Baseline-1 of the paper (section 3.2.3): concatenation in place of the feature-level models."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

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
    hidden_layers
        Per level, how many such convolutions follow one another; one by default.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (16, 32, 32, 32),
        hidden_filters: tuple[int, ...] = (8, 32, 32, 32),
        hidden_kernels: tuple[int, ...] = (1, 1, 3, 3),
        hidden_layers: tuple[int, ...] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.hidden_filters = tuple(hidden_filters)
        self.hidden_kernels = tuple(hidden_kernels)
        self.hidden_layers = layers.hidden_layers_per_level(
            filters, hidden_filters, hidden_kernels, hidden_layers
        )
        if min(self.hidden_layers) < 1:
            raise ValueError(f"hidden_layers must be 1 or more; got {hidden_layers}.")
        self.multiple = 2 ** len(filters)
        self.moving_encoder = Encoder(filters, name="moving_encoder")
        self.fixed_encoder = Encoder(filters, name="fixed_encoder")
        self.posterior_model = layers.GaussianPosterior(0, name="posterior")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        for encoder in (self.moving_encoder, self.fixed_encoder):
            encoder.build(shape)
        self.combinations, self.further_combinations = [], []
        for level, (channels, hidden, kernel, count) in enumerate(self._by_level(), start=1):
            name = f"combination{level}"
            first, *further = layers.hidden_convolutions(
                (*shape[:-1], 2 * channels),
                hidden,
                kernel,
                [name, *(f"{name}_{number}" for number in range(2, count + 1))],
            )
            self.combinations.append(first)
            self.further_combinations.extend(further)  # flat: Keras saves no lists within lists
        self.posterior_model.build((*shape[:-1], sum(self.hidden_filters)))
        super().build(input_shape)

    def infer_posterior(self, moving: object, fixed: object, mean_only: bool) -> tuple:
        """Posterior of the velocity on the first level's grid."""
        pairs = zip(self.moving_encoder(moving), self.fixed_encoder(fixed), strict=True)
        further, combined = iter(self.further_combinations), []
        for times, (first, count, pair) in enumerate(
            zip(self.combinations, self.hidden_layers, pairs, strict=True)
        ):
            features = ops.concatenate(pair, axis=-1)
            for layer in (first, *islice(further, count - 1)):
                features = ops.leaky_relu(layer(features), 0.2)
            combined.append(spatial.upsample(features, times=times))
        return self.posterior_model(ops.concatenate(combined, axis=-1), mean_only=mean_only)

    def _by_level(self) -> Iterator[tuple[int, int, int, int]]:
        """Channels of an encoder, and filters, kernel size and number of the convolutions."""
        return zip(
            self.filters,
            self.hidden_filters,
            self.hidden_kernels,
            self.hidden_layers,
            strict=True,
        )

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "hidden_filters": list(self.hidden_filters),
            "hidden_kernels": list(self.hidden_kernels),
            "hidden_layers": list(self.hidden_layers),
        }
