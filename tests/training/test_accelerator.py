from types import SimpleNamespace

import keras
import tensorflow as tf

from pmrnet.training.accelerator import accelerator_name


def test_a_gpu_of_tensorflow_is_named(monkeypatch):
    gpus = [SimpleNamespace(name="/device:GPU:0")]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["the first"])
    details = {"the first": {"device_name": "A GPU"}}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    assert accelerator_name() == "A GPU"


def test_a_cpu_is_none(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    assert accelerator_name() is None


def test_jax_names_its_first_device(monkeypatch):
    import jax

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for platform, expected in (("gpu", "A GPU"), ("cpu", None)):
        device = SimpleNamespace(platform=platform, device_kind="A GPU")
        monkeypatch.setattr(jax, "devices", lambda device=device: [device])
        assert accelerator_name() == expected
