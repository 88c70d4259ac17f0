"""The standard deviation of a field in millimetres."""

import numpy as np
import pytest
from keras import ops

from pmrnet.errors import InputError
from pmrnet.network_field import FieldModel
from pmrnet.nn.build import build_network
from random_weights import draw_weights

SHAPE = (8, 16, 24)


@pytest.fixture(scope="module")
def field():
    config = {
        "filters": [4, 4],
        "hidden_filters": [0, 4],
        "hidden_kernels": [1, 3],
        "integration_steps": 3,
    }
    network = build_network({"type": "pmrnet", **config})
    network.build()
    rng = np.random.default_rng(2)
    images = rng.random((2, *SHAPE), dtype=np.float32)
    return FieldModel(network, {"spacing": 2}).field(*images)


def test_is_the_length_over_components_in_millimetres(field):
    found = field.standard_deviation(samples=200)
    assert found.shape == SHAPE
    # At the start of a training every level has the variance exp(-10), in its own voxels: of 4 mm
    # on level 1 and 8 mm on level 2. Coarse grid points take it over as it is.
    at_points = found[::8, ::8, ::8]
    expected = np.sqrt(3 * np.exp(-10) * (4**2 + 8**2))
    np.testing.assert_allclose(at_points, expected, rtol=0.2)


def test_temperature_and_seed(field):
    once, again = (field.standard_deviation(8, seed=1) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    hot = field.standard_deviation(8, seed=1, temperature=25.0)
    np.testing.assert_allclose(hot, 5 * once, rtol=0.05)
    assert np.isfinite(ops.convert_to_numpy(hot)).all()


def test_millimetres_of_another_space(field):
    here = field.standard_deviation(8, seed=1)
    turned = 0.9 * np.array([[0.0, -1, 0], [0, 0, 1], [-1, 0, 0]])
    np.testing.assert_allclose(field.standard_deviation(8, seed=1, to_mm=turned), 0.9 * here, 1e-5)
    # One component alone has a third of the variance, in the mean.
    flat = np.diag([0.0, 0, 2])
    alone = field.standard_deviation(200, to_mm=flat)[::8, ::8, ::8]
    expected = 2 / np.sqrt(3) * field.standard_deviation(200)[::8, ::8, ::8]
    np.testing.assert_allclose(alone, expected, rtol=0.2)


def test_images_that_the_network_cannot_halve_are_refused(field):
    odd = np.zeros((8, 16, 20), np.float32)
    sentence = r"images of 4 x 8 x 10 voxels, found one that takes multiples of 4"
    with pytest.raises(InputError, match=sentence):
        field.model.field(odd, odd)
    with pytest.raises(InputError, match=sentence):
        field.model.compile(odd.shape)


def test_compiling_ahead_changes_nothing(rng):
    config = {"filters": [4, 4], "hidden_filters": [0, 4], "hidden_kernels": [1, 3]}
    network = build_network({"type": "pmrnet", **config, "integration_steps": 3})
    network.build()
    for weight in network.trainable_weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    images = rng.random((2, *SHAPE), dtype=np.float32)
    plain = FieldModel(network, {"spacing": 2}).field(*images)
    ahead = FieldModel(network, {"spacing": 2})
    ahead.compile(SHAPE)
    found = ahead.field(*images)
    np.testing.assert_array_equal(found.displacement, plain.displacement)
    np.testing.assert_array_equal(found.standard_deviation(4), plain.standard_deviation(4))
    assert np.abs(found.displacement).max() > 0.01


def test_a_matrix_to_millimetres_counts_by_its_columns(field):
    turned = np.zeros((3, 3))
    turned[0, 1] = 2
    one, other = (field.standard_deviation(8, to_mm=m) for m in (turned, np.diag([0.0, 2, 0])))
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_symmetric_fields_of_the_other_order_are_the_inverse(rng):
    config = {"filters": [4, 4], "hidden_filters": [0, 4], "hidden_kernels": [1, 3]}
    network = build_network({"type": "pmrnet", **config, "integration_steps": 3, "passes": 2})
    network.build()
    draw_weights(network, rng)
    images = rng.random((2, *SHAPE), dtype=np.float32)
    plain, back = (FieldModel(network, {"spacing": 2}).field(*images[::n]) for n in (1, -1))
    assert np.abs(plain.velocity + back.velocity).max() > 0.01
    model = FieldModel(network, {"spacing": 2}, symmetric=True)
    assert model.description == {"spacing": 2, "symmetric": True}
    found, swapped = (model.field(*images[::n]) for n in (1, -1))
    np.testing.assert_allclose(found.velocity, 0.5 * (plain.velocity - back.velocity), atol=1e-5)
    np.testing.assert_array_equal(found.displacement, swapped.inverse_displacement)
    np.testing.assert_array_equal(found.inverse_displacement, swapped.displacement)


def test_the_inverse_is_of_the_negated_velocity(oracle, rng):
    """And not the negated displacement, which is only alike where both are small."""
    config = {"filters": [4, 4], "hidden_filters": [0, 4], "hidden_kernels": [1, 3]}
    network = build_network({"type": "pmrnet", **config})
    network.build()
    draw_weights(network, rng)
    images = rng.random((2, 16, 16, 24), dtype=np.float32)
    found = FieldModel(network, {"spacing": 1}).field(*images)
    back = oracle.integrate(-found.velocity[None].astype(float), 7)
    expected = 2 * oracle.upsample(back, 1)[0]
    assert np.abs(found.displacement + expected).max() > 0.05
    np.testing.assert_allclose(found.inverse_displacement, expected, atol=1e-3)
