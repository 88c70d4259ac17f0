"""FAIM (Kuang & Schmah 2018, arXiv 1811.09243): a displacement without a posterior."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet.nn.blocks import CONVOLUTIONS, TRANSPOSED, InceptionStem, spatially_shared_prelu
from pmrnet.nn.displacement_objective import DisplacementObjective
from pmrnet.nn.network import RegistrationNetwork


@keras.saving.register_keras_serializable(package="pmrnet")
class FAIM(RegistrationNetwork):
    """An inception stem on both images, two grids down and up, skips by addition.

    The displacement comes out at full resolution as it is: it is no integral of a velocity, and
    nothing but the loss keeps it from folding. There is no `velocity` among the outputs, and no
    inverse.

    As in the authors' released code, except that every convolution pads its input ("same"), where
    theirs of stride 2 do not and zeros are appended after the way up; so grids match of
    themselves, and multiples of 4 are needed. It is trained with a `DisplacementObjective`.

    Parameters
    ----------
    filters
        Channels of all convolutions after the stem, which has a quarter of them for each of its
        four kernels.
    kernels
        Kernel sizes of the stem.
    """

    multiple = 4
    has_velocity = False

    def __init__(
        self,
        filters: int = 32,
        kernels: tuple[int, ...] = (2, 5, 7, 11),
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if not kernels or filters % len(kernels):
            raise ValueError(
                f"filters must be a multiple of the number of kernels; got {filters} and "
                f"{tuple(kernels)}."
            )
        if not isinstance(self.objective, DisplacementObjective | None):
            raise ValueError(
                "FAIM has no posterior and needs an objective of type displacement; got "
                f"{type(self.objective).__name__}."
            )
        self.filters = filters
        self.kernels = tuple(kernels)
        self.stem = InceptionStem(filters // len(kernels), kernels, name="stem")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        axes = len(shape) - 2
        inside = (*shape[:-1], self.filters)

        def layer(
            name: str, kernel: int = 3, kind: dict = CONVOLUTIONS, **changes: object
        ) -> keras.layers.Layer:
            arguments = {"filters": self.filters, "padding": "same", "name": name} | changes
            made = kind[axes](kernel_size=kernel, **arguments)
            made.build(inside)
            return made

        def activation(name: str) -> keras.layers.PReLU:
            made = spatially_shared_prelu(axes, name)
            made.build(inside)
            return made

        self.stem.build((*shape[:-1], 2 * shape[-1]))
        self.down1 = layer("down1", strides=2)
        self.down1_activation = activation("down1_activation")
        self.between = layer("between")
        self.down2 = layer("down2", strides=2)
        self.down2_activation = activation("down2_activation")
        self.bottom = layer("bottom", kernel=2)
        self.up1 = layer("up1", kind=TRANSPOSED, strides=2)
        self.after_up1 = layer("after_up1")
        self.up1_activation = activation("up1_activation")
        self.up2 = layer("up2", kind=TRANSPOSED, strides=2)
        self.after_up2 = layer("after_up2")
        self.up2_activation = activation("up2_activation")
        self.head = layer(
            "head",
            filters=axes,
            kernel_initializer=keras.initializers.RandomNormal(stddev=1e-2),
        )
        super().build(input_shape)

    def estimate(self, moving: object, fixed: object, training: bool) -> dict:
        """Displacement on the image grid, voxels."""
        full = self.stem(ops.concatenate([moving, fixed], axis=-1))
        half = self.down1_activation(self.down1(full))
        quarter = self.down2_activation(self.down2(self.between(half)))
        x = self.bottom(quarter) + quarter
        x = self.up1_activation(self.after_up1(self.up1(x))) + half
        x = self.up2_activation(self.after_up2(self.up2(x))) + full
        return {"displacement": self.head(x)}

    def get_config(self) -> dict:
        """Constructor arguments; nothing is integrated."""
        config = {"filters": self.filters, "kernels": list(self.kernels)}
        inherited = super().get_config()
        del inherited["integration_steps"]
        return {**inherited, **config}
