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

from pmrnet.bench.tasks import (
    IMAGE_SIGMA,
    PEAK_VELOCITY,
    PRIOR_LAMBDA,
    Inputs,
    Ways,
    field_tasks,
    graph,
)


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
            **graph(lambda: function(tensors)),
            "predict_on_batch": lambda: network.predict_on_batch(pair),
        }

    def training() -> Ways:
        return {"train_on_batch": lambda: network.train_on_batch(pair)}

    def fields() -> dict[str, Ways]:
        def warp(image: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
            return spatial.warp(image, u, differentiate_values=False)

        return field_tasks(inputs, spatial.integrate, warp)

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
            **graph(lambda: function(tensors)),
            "predict_on_batch": lambda: register.predict_on_batch(pair),
        }

    def training() -> Ways:
        return {"train_on_batch": lambda: model.train_on_batch(pair, targets)}

    def fields() -> dict[str, Ways]:
        integrate = vxm.layers.VecInt(method="ss", int_steps=7)
        transformer = vxm.layers.SpatialTransformer()
        return field_tasks(inputs, integrate, lambda image, u: transformer([image, u]))

    return {"registration": registration, "training": training, "fields": fields}


def voxelmorph_miccai2018(inputs: Inputs) -> dict[str, Callable[[], Ways]]:
    """VoxelMorph 0.2's `VxmDense` with the settings of its MICCAI-2018 paper.

    It convolves at full resolution and pools, where the network of 2018 used a stride of 2.
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
