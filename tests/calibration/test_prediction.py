"""What is calibrated is what a registration shows."""

from types import SimpleNamespace

import numpy as np

from pmrnet.calibration.prediction import Predictor
from pmrnet.data.downsampling import downsample
from pmrnet.network_field import FieldModel
from pmrnet.nn.build import build_network


def test_deviation_is_that_of_a_registration():
    config = {"filters": [4, 4], "hidden_filters": [0, 4], "hidden_kernels": [1, 3]}
    network = build_network({"type": "pmrnet", "integration_steps": 3, **config})
    network.build()
    images = np.random.default_rng(2).random((2, 8, 16, 24), dtype=np.float32)
    field = FieldModel(network, {"spacing": 2}).field(*images)
    subjects = [
        SimpleNamespace(spacing=1, image_at=lambda spacing, image=image: downsample(image, spacing))
        for image in images
    ]
    found = Predictor(network, 2, samples=8).deviation(*subjects)
    every_other = (slice(None, None, 2),) * 3
    length = np.linalg.norm(found, axis=-1)[every_other]
    np.testing.assert_allclose(length, field.standard_deviation(8)[every_other], rtol=1e-4)
