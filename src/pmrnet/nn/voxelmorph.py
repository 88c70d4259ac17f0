"""VoxelMorph's probabilistic diffeomorphic network (Dalca et al., MICCAI 2018), row [4]."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet import spatial
from pmrnet.nn import layers
from pmrnet.nn.blocks import CONVOLUTIONS
from pmrnet.nn.encoder import Encoder
from pmrnet.nn.single_posterior import SinglePosteriorNetwork

#: how each flavour's encoder goes to the next grid
FLAVOURS = {"2018": "stride", "0.2": "pool"}


@keras.saving.register_keras_serializable(package="pmrnet")
class VoxelMorph(SinglePosteriorNetwork):
    """One encoder for both images, a decoder with skips to half resolution, and the posterior.

    The decoder convolves at each grid, doubles it by nearest neighbour and appends the encoder's
    features of that grid, up to half the image's resolution, where the velocity lives.

    Parameters
    ----------
    filters
        Channels of the encoder's levels.
    decoder_filters
        Of the decoder's convolutions: one for each level, coarsest first, then those that follow
        at half resolution.
    flavour
        `2018`, as published: convolutions of stride 2, and the displacement resized as everywhere
        in this package. `0.2`, as VoxelMorph 0.2 builds it: convolutions and pooling, and the
        displacement resized corner to corner.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = (16, 32, 32, 32),
        decoder_filters: tuple[int, ...] = (32, 32, 32, 32, 16),
        flavour: str = "2018",
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if len(decoder_filters) < len(filters):
            raise ValueError(
                "decoder_filters needs an entry for each level at least; got "
                f"{len(decoder_filters)} for {len(filters)} levels."
            )
        if flavour not in FLAVOURS:
            raise ValueError(f"flavour must be one of {tuple(FLAVOURS)}; got {flavour!r}.")
        self.filters = tuple(filters)
        self.decoder_filters = tuple(decoder_filters)
        self.flavour = flavour
        self.multiple = 2 ** len(filters)
        self.encoder = Encoder(filters, FLAVOURS[flavour], name="encoder")
        self.posterior_model = layers.GaussianPosterior(0, name="posterior")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        axes = len(shape) - 2
        conv = CONVOLUTIONS[axes]
        upsampling = {2: keras.layers.UpSampling2D, 3: keras.layers.UpSampling3D}[axes]
        self.encoder.build((*shape[:-1], 2 * shape[-1]))
        self.double = upsampling(2)
        self.double.build(shape)  # no weights: see layers._WithoutWeights
        self.decoder = []
        *skips, channels = self.encoder.map_filters
        for number, filters in enumerate(self.decoder_filters, start=1):
            layer = conv(
                filters,
                3,
                padding="same",
                kernel_initializer="he_normal",
                name=f"decoder{number}",
            )
            layer.build((*shape[:-1], channels))
            self.decoder.append(layer)
            channels = filters + (skips.pop() if skips else 0)
        self.posterior_model.build((*shape[:-1], channels))
        super().build(input_shape)

    def infer_posterior(self, moving: object, fixed: object, mean_only: bool) -> tuple:
        """Posterior of the velocity on the half grid."""
        *skips, x = self.encoder.maps(ops.concatenate([moving, fixed], axis=-1))
        for layer in self.decoder:
            x = ops.leaky_relu(layer(x), 0.2)
            if skips:
                x = ops.concatenate([self.double(x), skips.pop()], axis=-1)
        return self.posterior_model(x, mean_only=mean_only)

    def resize_displacement(self, displacement: object) -> object:
        """Bring a displacement from the half grid to the images'."""
        if self.flavour == "0.2":
            return spatial.stretch_field(displacement)
        return super().resize_displacement(displacement)

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "decoder_filters": list(self.decoder_filters),
            "flavour": self.flavour,
        }
