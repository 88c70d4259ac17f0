"""Which GPU the backend computes on, for the record of a training."""

from __future__ import annotations

import keras


def accelerator_name() -> str | None:
    """Model of the GPU that Keras' backend computes on, None where that is a CPU."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else device.device_kind
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for device in tf.config.list_logical_devices("GPU"):
            physical = tf.config.list_physical_devices("GPU")[int(device.name.rsplit(":", 1)[1])]
            return tf.config.experimental.get_device_details(physical).get("device_name", "GPU")
    return None
