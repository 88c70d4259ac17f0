"""Fixtures shared by all tests: seeded random fields, float64 oracles and gradients."""

import os
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest
from scipy import ndimage

import pmrnet  # noqa: F401  before Keras: tests compute as users do, see `tensorflow_kernels`

# The same examples in every run, so that a run that fails can be repeated;
# `pytest --hypothesis-profile=default` draws others.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]

# Unequal on purpose: a swapped axis must not go unnoticed.
GRID_2D = (9, 11)
GRID_3D = (7, 8, 9)


# Files of minutes, longest first: one that began last would be run by one process alone at the end.
LONG = (
    *("test_notebooks", "test_refine", "test_run", "test_backends", "test_demo", "test_bench"),
    *("test_workflow", "test_template_building"),
)


def pytest_collection_modifyitems(items):
    """Begin with the files that take long; a process is given whole files, in this order."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="module", autouse=True)
def seeded_weights():
    """Every file of tests begins with the same seeds: Keras draws weights from Python's numbers.

    Else new weights would decide now and then that a limit does not hold.
    """
    random.seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture
def rng():
    """A generator with a fixed seed, new for every test."""
    return np.random.default_rng(20190716)


@pytest.fixture
def gone_process():
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture(params=[GRID_2D, GRID_3D], ids=["2D", "3D"])
def grid(request):
    """Shape of a small grid, no two axes alike."""
    return request.param


@pytest.fixture
def smooth_field(rng):
    """Make random smooth fields (batch, *grid, components), float32, |value| up to `peak`."""

    def make(grid, peak, components=None, batch=1, sigma=1.5):
        components = len(grid) if components is None else components
        noise = rng.normal(size=(batch, *grid, components))
        field = ndimage.gaussian_filter(noise, (0, *[sigma] * len(grid), 0), mode="nearest")
        return (peak * field / np.abs(field).max()).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def oracle():
    """The operations in float64, by SciPy's interpolation: no code in common with the package."""
    return SimpleNamespace(warp=_warp, integrate=_integrate, upsample=_upsample)


def _sample(values, locations):
    """`values` (*grid, C) at `locations` (N, *out): linear, nearest value outside the grid."""
    channels = [
        ndimage.map_coordinates(values[..., c], locations, order=1, mode="nearest")
        for c in range(values.shape[-1])
    ]
    return np.stack(channels, axis=-1)


def _warp(values, displacement):
    values, displacement = np.asarray(values, float), np.asarray(displacement, float)
    identity = np.indices(displacement.shape[1:-1])
    return np.stack(
        [
            _sample(v, identity + np.moveaxis(u, -1, 0))
            for v, u in zip(values, displacement, strict=True)
        ]
    )


def _integrate(velocity, steps):
    u = np.asarray(velocity, float) / 2**steps
    for _ in range(steps):
        u = u + _warp(u, u)
    return u


def _upsample(field, times):
    """Output point x reads x / 2^times, clipped at the edge."""
    factor = 2**times
    locations = np.indices([n * factor for n in field.shape[1:-1]]) / factor
    return np.stack([_sample(np.asarray(f, float), locations) for f in field])


@pytest.fixture(scope="session")
def assert_gradient():
    """Compare a gradient with central differences of a scalar float64 function.

    At up to `count` elements, drawn with a fixed seed.
    """

    def check(gradient, function, at, rtol=1e-5, atol=2e-5, step=1e-6, count=200):
        at = np.array(at, float)
        assert gradient.shape == at.shape
        chosen = np.random.default_rng(0).permutation(at.size)[:count]
        numeric = []
        for index in zip(*np.unravel_index(chosen, at.shape), strict=True):
            kept = at[index]
            at[index] = kept + step
            above = function(at)
            at[index] = kept - step
            numeric.append((above - function(at)) / (2 * step))
            at[index] = kept
        np.testing.assert_allclose(gradient.ravel()[chosen], numeric, rtol=rtol, atol=atol)

    return check


@pytest.fixture(scope="session")
def gradients():
    """Gradients of a scalar function of float32 tensors, on the Keras backend in use."""
    import keras

    def on_tensorflow(function, *arrays):
        import tensorflow as tf

        tensors = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            value = function(*tensors)
        return [g.numpy() for g in tape.gradient(value, tensors)]

    def on_jax(function, *arrays):
        import jax

        return [np.asarray(g) for g in jax.grad(function, tuple(range(len(arrays))))(*arrays)]

    return {"tensorflow": on_tensorflow, "jax": on_jax}[keras.backend.backend()]


@pytest.fixture(scope="session")
def voxelmorph():
    """The authors' VoxelMorph 0.2, or a skip that says how to get it."""
    from pmrnet.errors import InputError
    from pmrnet.voxelmorph_compat import import_voxelmorph

    try:
        return import_voxelmorph()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def data_path():
    """Folder of the brain volumes (`PMRNET_DATA`), or a skip that says where it was looked for."""
    path = Path(os.environ.get("PMRNET_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no volumes in {path}; set PMRNET_DATA to the folder that holds lpba40")
    return path
