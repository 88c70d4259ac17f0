"""Islands: separately compiled functions behave as the plain ones, inside and outside a graph."""

from collections import Counter

import keras
import numpy as np
import pytest
from keras import ops

from pmrnet import spatial
from pmrnet.nn.cost_volume import cost_volume
from pmrnet.spatial import backend
from pmrnet.spatial.backend import island


@island
def scaled(x, y, *, factor=1.0):
    """Documented."""
    return factor * x + y


def test_keeps_name_and_documentation():
    assert scaled.__name__ == "scaled"
    assert scaled.__doc__ == "Documented."


def test_keyword_arguments_are_static():
    x, y = np.float32([1, 2]), np.float32([10, 20])
    for factor in (2.0, 3.0, 2.0):
        result = ops.convert_to_numpy(scaled(x, y, factor=factor))
        np.testing.assert_array_equal(result, factor * x + y)


def test_any_shape_in_turn():
    for shape in ((3,), (2, 4), (3,)):
        x = np.ones(shape, np.float32)
        np.testing.assert_array_equal(ops.convert_to_numpy(scaled(x, x)), 2 * x)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about TensorFlow's graphs")
class TestInAGraph:
    def test_same_result_and_gradient_as_eagerly(self, rng, smooth_field):
        import tensorflow as tf

        grid = (9, 11)
        v = tf.constant(smooth_field(grid, 3.0))
        values = tf.constant(rng.normal(size=(1, *grid, 2)).astype(np.float32))

        def loss_and_gradient():
            with tf.GradientTape() as tape:
                tape.watch([v, values])
                loss = tf.reduce_sum(spatial.warp(values, spatial.integrate(v, 4)) ** 2)
            return loss, *tape.gradient(loss, [v, values])

        for eager, graph in zip(loss_and_gradient(), tf.function(loss_and_gradient)(), strict=True):
            np.testing.assert_allclose(eager, graph, rtol=1e-5, atol=1e-5)

    def test_same_on_small_grids_without_xla(self, rng, smooth_field, monkeypatch, gradients):
        grid = (7, 8, 9)
        values = rng.normal(size=(1, *grid, 2)).astype(np.float32)
        v = smooth_field(grid, 3.0)
        costs = cost_volume(values, values[:, ::-1], 1)

        def found():
            def loss(values, v):
                moved = spatial.warp(values, spatial.upsample_field(spatial.integrate(v, 4)))
                return ops.sum(moved**2) + ops.sum(cost_volume(values, values + 1, 1) ** 2)

            return loss(values, v), *gradients(loss, values, v)

        by_xla = found()
        monkeypatch.setattr(backend, "SMALL", 10_000)
        for plain, compiled in zip(found(), by_xla, strict=True):
            np.testing.assert_allclose(plain, compiled, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(cost_volume(values, values[:, ::-1], 1), costs, rtol=1e-5)

    def test_size_is_that_of_the_largest_grid(self):
        tensors = (np.zeros((1, 2, 3, 4, 50)), np.zeros((4, 4)))
        assert backend._voxels(tensors, {"radius": 3}) == 24
        assert backend._voxels(tensors, {"shape": (5, 6, 7)}) == 210
        assert backend._voxels((tensors, np.float32(1)), {}) == 24

    def test_small_grids_do_without_xla(self, monkeypatch):
        import tensorflow as tf

        @island
        def by_numpy(x):  # which XLA cannot compile
            return tf.numpy_function(np.negative, [x], tf.float32)

        x = np.ones((1, 2, 3, 1), np.float32)
        with pytest.raises(tf.errors.InvalidArgumentError):
            by_numpy(x)
        monkeypatch.setattr(backend, "SMALL", 6)
        np.testing.assert_array_equal(by_numpy(x), -x)

    def test_one_program_scatters_to_all_corners(self, rng):
        """Each takes a tenth of a second to compile, of every size that a network warps at."""
        import tensorflow as tf

        grid = (7, 8, 9)
        values, u = (tf.constant(rng.normal(size=(1, *grid, 3)).astype(np.float32)) for _ in "vu")

        @tf.function
        def gradient():
            with tf.GradientTape() as tape:
                tape.watch(values)
                loss = tf.reduce_sum(spatial.warp(values, u))
            return tape.gradient(loss, values)

        graph = gradient.get_concrete_function().graph.as_graph_def()
        calls = [node.attr["f"].func.name for node in graph.node if "Call" in node.op]
        assert sorted(Counter(calls).values())[-1] == 2**3

    def test_number_of_images_may_be_unknown(self, rng, smooth_field):
        import tensorflow as tf

        grid = (9, 11)
        signature = [tf.TensorSpec((None, *grid, 2))]
        integrate = tf.function(lambda v: spatial.integrate(v, 4), input_signature=signature)
        v = smooth_field(grid, 3.0, batch=3)
        np.testing.assert_allclose(integrate(v), spatial.integrate(v, 4), rtol=1e-5, atol=1e-5)
