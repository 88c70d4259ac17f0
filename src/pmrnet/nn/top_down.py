"""A path from coarse to fine features of one image (Lin et al., CVPR 2017, "FPN")."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet import spatial
from pmrnet.nn.blocks import CONVOLUTIONS


@keras.saving.register_keras_serializable(package="pmrnet")
class TopDown(keras.layers.Layer):
    """Tell the fine levels of an encoder what its coarse ones see.

    Call with the feature maps of an `Encoder`, finest first: (batch, *(grid / 2^l), filters[l-1]).
    Returns a list of the same shapes: the coarsest as it is, every other one a 1^N convolution
    with LeakyReLU(0.2) of itself and the next coarser result, linearly resized.

    Parameters
    ----------
    filters
        Channels of the levels.
    """

    def __init__(self, filters: tuple[int, ...], **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)

    def build(self, input_shape: list) -> None:
        """Create one convolution for each level but the coarsest."""
        conv = CONVOLUTIONS[len(input_shape[0]) - 2]
        self.convolutions = []
        for level, (filters, coarser) in enumerate(
            zip(self.filters, self.filters[1:], strict=False), start=1
        ):
            layer = conv(
                filters, 1, padding="same", kernel_initializer="he_normal", name=f"level{level}"
            )
            layer.build((*input_shape[level - 1][:-1], filters + coarser))
            self.convolutions.append(layer)

    def call(self, features: list) -> list:
        """Merge from the coarsest level up."""
        *finer, coarsest = features
        merged = [coarsest]
        for layer, own in zip(reversed(self.convolutions), reversed(finer), strict=True):
            both = ops.concatenate([own, spatial.upsample(merged[0])], axis=-1)
            merged.insert(0, ops.leaky_relu(layer(both), 0.2))
        return merged

    def compute_output_shape(self, input_shape: list) -> list:
        """Same as the input's."""
        return input_shape

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {**super().get_config(), "filters": list(self.filters)}
