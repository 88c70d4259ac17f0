"""What is measured of each contender: one callable per task, built inside a worker process.

A task's callable does its work once and waits for the result. Where a contender offers more than
one way of doing the same, the builder returns them all and the worker keeps the faster.

All contenders get the same images and fields, and final convolutions scaled so that velocities
reach `PEAK_VELOCITY`: with fresh weights every displacement is nearly zero, which would flatter
whoever has a short cut for small displacements. Training runs at learning rate 0, which costs the
same and keeps every step the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

PEAK_VELOCITY = 5.0  # voxels of the half grid, so about 10 mm at 1 mm
IMAGE_SIGMA, PRIOR_LAMBDA = 0.02, 10.0  # of the loss, VoxelMorph's own defaults of 2018

Ways = dict[str, Callable[[], Any]]


class Inputs:
    """Seeded smooth images and fields of one shape; smooth, as brains at 1 mm are."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.half = tuple(n // 2 for n in shape)
        rng = np.random.default_rng(0)
        self.moving, self.fixed = (self._image(rng) for _ in range(2))
        self.velocity = self._field(rng, self.half, PEAK_VELOCITY)
        self.displacement = self._field(rng, self.shape, 2 * PEAK_VELOCITY)

    def _image(self, rng: np.random.Generator) -> np.ndarray:
        image = ndimage.gaussian_filter(rng.normal(size=self.shape).astype(np.float32), 4)
        return ((image - image.min()) / np.ptp(image))[None, ..., None]

    def _field(self, rng: np.random.Generator, grid: tuple[int, ...], peak: float) -> np.ndarray:
        sigma = grid[0] / 20
        field = np.stack(
            [
                ndimage.gaussian_filter(rng.normal(size=grid).astype(np.float32), sigma)
                for _ in grid
            ],
            axis=-1,
        )
        return (peak * field / np.abs(field).max())[None]


def _field_tasks(inputs: Inputs, integrate: Callable, warp: Callable) -> dict[str, Ways]:
    """Integration at half resolution and the full-size warp, each alone and with its gradient."""
    import tensorflow as tf

    velocity, displacement = tf.constant(inputs.velocity), tf.constant(inputs.displacement)
    moving = tf.constant(inputs.moving)

    def with_gradient(function: Callable) -> Callable:
        @tf.function
        def run(x: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = tf.reduce_sum(tf.square(function(x)))
            return tape.gradient(value, x)

        return run

    def warped(u: tf.Tensor) -> tf.Tensor:
        return warp(moving, u)

    return {
        "integration": _graph(tf.function(integrate), velocity),
        "integration_gradient": _graph(with_gradient(integrate), velocity),
        "warp": _graph(tf.function(warped), displacement),
        "warp_gradient": _graph(with_gradient(warped), displacement),
    }


def _graph(function: Callable, *arguments: Any) -> Ways:
    return {"tf.function": lambda: _wait(function(*arguments))}


def _wait(result: Any) -> None:
    # A TensorFlow CPU tensor may still be in the making; taking its buffer waits for it.
    import tensorflow as tf

    for tensor in tf.nest.flatten(result):
        if hasattr(tensor, "numpy"):
            tensor.numpy()


def pmrnet(inputs: Inputs) -> dict[str, Callable[[], Ways]]:
    """PMR-Net with its default settings; training with the terms of all four levels."""
    import keras
    import tensorflow as tf

    from pmrnet import spatial
    from pmrnet.nn.objective import Objective
    from pmrnet.nn.pmrnet import PMRNet

    keras.utils.set_random_seed(0)
    network = PMRNet(objective=Objective(IMAGE_SIGMA, PRIOR_LAMBDA))
    pair = {"moving": inputs.moving, "fixed": inputs.fixed}
    network.build({key: value.shape for key, value in pair.items()})
    network.compile(keras.optimizers.Adam(0.0), jit_compile=False)
    peak = np.abs(network.predict_on_batch(pair)["velocity"]).max()
    for posterior in network.posteriors:
        posterior.mean.kernel.assign(posterior.mean.kernel * float(PEAK_VELOCITY / peak))

    def registration() -> Ways:
        tensors = {key: tf.constant(value) for key, value in pair.items()}
        function = tf.function(lambda x: network(x, training=False))
        return {
            **_graph(lambda: function(tensors)),
            "predict_on_batch": lambda: network.predict_on_batch(pair),
        }

    def training() -> Ways:
        return {"train_on_batch": lambda: network.train_on_batch(pair)}

    def fields() -> dict[str, Ways]:
        def warp(image: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
            return spatial.warp(image, u, differentiate_values=False)

        return _field_tasks(inputs, spatial.integrate, warp)

    return {"registration": registration, "training": training, "fields": fields}


def _voxelmorph(
    inputs: Inputs, build: Callable, probabilistic: bool
) -> dict[str, Callable[[], Ways]]:
    """Tasks of a VoxelMorph network: `build(vxm, shape)` gives the model and its flow layer."""
    from pmrnet.voxelmorph_compat import import_voxelmorph

    vxm = import_voxelmorph()
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    model, register, flow = build(vxm, inputs.shape)
    pair = [inputs.moving, inputs.fixed]
    velocity = tf_keras.Model(model.inputs, flow.output).predict_on_batch(pair)
    kernel, bias = flow.get_weights()
    flow.set_weights([kernel * (PEAK_VELOCITY / np.abs(velocity).max()), bias])

    if probabilistic:  # the losses of VoxelMorph's training script, `--use-probs` and without
        kl = vxm.losses.KL(PRIOR_LAMBDA, model.outputs[-1].shape[1:-1])
        # Left to itself it keeps a tensor of the first graph it is traced in, which fails in the
        # second.
        kl.D = kl._degree_matrix(kl.flow_vol_shape)
        losses = [vxm.losses.MSE(IMAGE_SIGMA).loss, kl.loss]
        weights = [1, 1]
    else:
        losses, weights = (
            [vxm.losses.MSE().loss, vxm.losses.Grad("l2", loss_mult=2).loss],
            [1, 0.01],
        )
    model.compile(tf_keras.optimizers.Adam(0.0), loss=losses, loss_weights=weights)
    targets = [inputs.fixed, np.zeros((1, *model.outputs[-1].shape[1:]), np.float32)]

    def registration() -> Ways:
        tensors = [tf.constant(image) for image in pair]
        function = tf.function(lambda x: register(x, training=False))
        return {
            **_graph(lambda: function(tensors)),
            "predict_on_batch": lambda: register.predict_on_batch(pair),
        }

    def training() -> Ways:
        return {"train_on_batch": lambda: model.train_on_batch(pair, targets)}

    def fields() -> dict[str, Ways]:
        integrate = vxm.layers.VecInt(method="ss", int_steps=7)
        transformer = vxm.layers.SpatialTransformer()
        return _field_tasks(inputs, integrate, lambda image, u: transformer([image, u]))

    return {"registration": registration, "training": training, "fields": fields}


def voxelmorph_miccai2018(inputs: Inputs) -> dict[str, Callable[[], Ways]]:
    """VoxelMorph 0.2's `VxmDense` with the settings of its MICCAI-2018 paper.

    Its U-Net convolves at full resolution and pools, where the network of 2018 convolved with
    stride 2: see `voxelmorph_2018_strided`.
    """

    def build(vxm: Any, shape: tuple[int, ...]) -> tuple:
        return _vxm_dense(
            vxm,
            shape,
            nb_unet_features=[[16, 32, 32, 32], [32, 32, 32, 32, 16]],
            use_probs=True,
            unet_half_res=True,
        )

    return _voxelmorph(inputs, build, probabilistic=True)


def voxelmorph_default(inputs: Inputs) -> dict[str, Callable[[], Ways]]:
    """VoxelMorph 0.2's `VxmDense` with its default features."""
    return _voxelmorph(inputs, _vxm_dense, probabilistic=False)


def _vxm_dense(vxm: Any, shape: tuple[int, ...], **settings: Any) -> tuple:
    import tf_keras

    model = vxm.networks.VxmDense(shape, int_steps=7, int_downsize=2, **settings)
    outputs = [model.references.y_source, model.references.pos_flow]
    return model, tf_keras.Model(model.inputs, outputs), model.get_layer("vxm_dense_flow")


def voxelmorph_2018_strided(inputs: Inputs) -> dict[str, Callable[[], Ways]]:
    """The MICCAI-2018 network as released then, with convolutions of stride 2.

    Rebuilt from VoxelMorph 0.2's layers, since its classes no longer express it.
    """
    return _voxelmorph(inputs, _strided, probabilistic=True)


def _strided(vxm: Any, shape: tuple[int, ...]) -> tuple:
    import neurite as ne
    import tf_keras
    from tf_keras import initializers, layers

    conv, up = getattr(layers, f"Conv{len(shape)}D"), getattr(layers, f"UpSampling{len(shape)}D")

    def block(x: Any, filters: int, strides: int = 1) -> Any:
        x = conv(filters, 3, strides, padding="same", kernel_initializer="he_normal")(x)
        return layers.LeakyReLU(0.2)(x)

    source, target = (tf_keras.Input((*shape, 1)) for _ in range(2))
    levels = [layers.concatenate([source, target])]
    for filters in (16, 32, 32, 32):
        levels.append(block(levels[-1], filters, strides=2))
    x = levels.pop()
    for _ in range(3):
        x = layers.concatenate([up()(block(x, 32)), levels.pop()])
    x = block(block(x, 32), 16)
    axes = len(shape)
    normal = initializers.RandomNormal
    flow = conv(axes, 3, padding="same", kernel_initializer=normal(stddev=1e-5))
    mean = flow(x)
    log_sigma = conv(
        axes,
        3,
        padding="same",
        kernel_initializer=normal(stddev=1e-10),
        bias_initializer=initializers.Constant(-10.0),
    )(x)
    sample = ne.layers.SampleNormalLogVar()([mean, log_sigma])
    displacement = vxm.layers.VecInt(method="ss", int_steps=7)(sample)
    displacement = vxm.layers.RescaleTransform(2)(displacement)
    moved = vxm.layers.SpatialTransformer()([source, displacement])
    parameters = layers.concatenate([mean, log_sigma])
    model = tf_keras.Model([source, target], [moved, parameters])
    return model, tf_keras.Model([source, target], [moved, displacement]), flow


CONTENDERS: dict[str, Callable[[Inputs], dict[str, Callable[[], Ways]]]] = {
    "pmrnet": pmrnet,
    "voxelmorph-miccai2018": voxelmorph_miccai2018,
    "voxelmorph-2018-strided": voxelmorph_2018_strided,
    "voxelmorph-default": voxelmorph_default,
}
