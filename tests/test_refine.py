"""Refinement of known deformations: what it gains, when it stops, and the same on both backends."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend_processes import environment, needs_jax
from pmrnet.nn.correlation import local_correlation
from pmrnet.refine import displacement_of, refine
from pmrnet.refinement_settings import Refinement

GRIDS = {"2D": (24, 20), "3D": (12, 20, 16)}
MSE = Refinement(
    levels=(1,),
    velocity_spacing=(2,),
    window=0,
    image_sigma=0.05,
    prior_lambda=1.0,
    integration_steps=4,
    smoothing=1,
    learning_rate=0.05,
    steps=25,
)
LNCC = replace(MSE, window=3, image_sigma=0.2)


@pytest.fixture(params=GRIDS.values(), ids=GRIDS.keys())
def pair(request, smooth_field, oracle):
    """A smooth image, the same one deformed, and the velocity that does it."""
    return _pair(request.param, smooth_field, oracle)


def _pair(grid, smooth_field, oracle):
    velocity = smooth_field(tuple(n // 2 for n in grid), 0.8, sigma=2.0)
    moving = 0.5 + 0.5 * smooth_field(grid, 1.0, components=1)
    u = 2 * oracle.upsample(oracle.integrate(velocity, 7), 1)
    return moving, oracle.warp(moving, u).astype(np.float32), velocity, u


def _on(*levels, velocity, **changes):
    """`MSE` on other levels."""
    return replace(MSE, levels=levels, velocity_spacing=velocity, **changes)


def _numbers(tensor):
    import keras

    return keras.ops.convert_to_numpy(tensor)


def _error(velocity, u, grid, settings):
    """Mean distance from the true displacement, away from the edges, whose beyond is unseen."""
    inside = (0, *(slice(3, -3) for _ in grid))
    found = _numbers(displacement_of(velocity, grid, settings))
    return np.linalg.norm((found - u)[inside], axis=-1).mean()


def test_a_finer_start_is_brought_to_the_first_levels_grid(pair):
    moving, fixed, velocity, _ = pair  # a velocity on half the images' grid
    velocity = 0.2 * velocity  # the whole one would stay, see the next test
    both = _on(1, 1, velocity=(4, 2), steps=(25, 5))
    found, record = refine(moving, fixed, velocity, both)
    assert [level["velocity_spacing"] for level in record["levels"]] == [4, 2]
    assert found.shape == velocity.shape
    halved = 0.5 * velocity
    for axis in range(1, velocity.ndim - 1):
        around = np.pad(
            halved, [(1, 1) if n == axis else (0, 0) for n in range(velocity.ndim)], "edge"
        )
        places = np.arange(0, velocity.shape[axis], 2)
        before, at, after = (around.take(places + shift, axis) for shift in range(3))
        halved = 0.25 * before + 0.5 * at + 0.25 * after
    again, _ = refine(moving, fixed, halved, both)
    np.testing.assert_allclose(_numbers(found), _numbers(again), atol=5e-3)
    with pytest.raises(ValueError, match=r"halved to the first level's grid; got one of .*5"):
        refine(moving, fixed, velocity, replace(MSE, velocity_spacing=(32,)))


def test_a_finer_start_stays_where_few_steps_do_not_better_it(pair):
    moving, fixed, velocity, _ = pair
    settings = _on(1, 1, velocity=(4, 2), steps=(1, 0))
    truth, record = refine(moving, fixed, velocity, settings)
    np.testing.assert_array_equal(_numbers(truth), velocity)  # smoothed, it would be worse
    _, plain = refine(moving, fixed, velocity, replace(MSE, steps=(1,)))
    assert record["levels"][-1]["loss"] == pytest.approx(plain["levels"][0]["first_loss"])
    start = 0.2 * velocity
    found, record = refine(moving, fixed, start, replace(settings, steps=(25, 5)))
    assert np.abs(_numbers(found) - start).max() > 0.1
    assert record["levels"][-1]["loss"] < record["levels"][0]["first_loss"]


@pytest.mark.parametrize("settings", [MSE, LNCC], ids=["MSE", "LNCC"])
def test_loss_and_distance_from_the_truth_fall(pair, settings):
    moving, fixed, velocity, u = pair
    grid = moving.shape[1:-1]
    found, record = refine(moving, fixed, np.zeros_like(velocity), settings)
    (level,) = record["levels"]
    assert level["loss"] < 0.7 * level["first_loss"]
    assert 0 < level["steps"] <= settings.steps[0]
    before = _error(np.zeros_like(velocity), u, grid, settings)
    assert _error(found, u, grid, settings) < 0.6 * before


def test_loss_is_the_one_of_the_velocity_returned(pair, oracle):
    """Equation 6 in float64, by SciPy: also that the best iterate is returned, not the last."""
    moving, fixed, velocity, _ = pair
    rough = replace(MSE, learning_rate=0.5, patience=100, steps=12, smoothing=0)
    found, record = refine(moving, fixed, 0 * velocity, rough)
    found = _numbers(found)
    u = 2 * oracle.upsample(oracle.integrate(found, rough.integration_steps), 1)
    image = np.mean((fixed - oracle.warp(moving, u)) ** 2) / rough.image_sigma**2
    axes = found.shape[-1]
    differences = [np.mean(np.diff(found, axis=axis + 1) ** 2) for axis in range(axes)]
    prior = 0.25 * axes * rough.prior_lambda * np.mean(differences)
    assert record["levels"][0]["loss"] == pytest.approx(image + prior, rel=1e-3)


def test_result_is_diffeomorphic_and_its_inverse_inverts(pair, oracle):
    moving, fixed, velocity, _ = pair
    grid = moving.shape[1:-1]
    # Five times the noise fits nothing but noise: a hard case.
    hard = replace(MSE, image_sigma=0.01, prior_lambda=0.1, integration_steps=7)
    found, _ = refine(moving, fixed, 0 * velocity, hard)
    u, inverse = (
        _numbers(displacement_of(sign * found, grid, hard)).astype(float) for sign in (1, -1)
    )
    assert np.abs(u).max() > 0.5
    jacobian = [np.gradient(u[0], axis=axis) for axis in range(len(grid))]
    matrix = np.eye(len(grid)) + np.stack(jacobian, axis=-1)
    assert np.linalg.det(matrix).min() > 0
    back = inverse + oracle.warp(u, inverse)
    inside = (0, *(slice(3, -3) for _ in grid))
    assert np.linalg.norm(back[inside], axis=-1).max() < 0.2


def test_without_steps_the_velocity_is_returned(pair):
    moving, fixed, velocity, _ = pair
    found, record = refine(moving, fixed, velocity, replace(MSE, steps=0))
    assert found is velocity
    assert record["levels"] == []


def test_one_step_of_adam_is_the_learning_rate(pair):
    moving, fixed, velocity, _ = pair
    settings = replace(MSE, steps=1, smoothing=0, learning_rate=0.01)
    found, record = refine(moving, fixed, 0 * velocity, settings)
    assert record["levels"][0]["loss"] < record["levels"][0]["first_loss"]
    change = np.abs(_numbers(found))
    assert change.max() < 0.01 * 1.001
    assert np.median(change) == pytest.approx(0.01, rel=1e-2)


def test_it_stops_where_nothing_is_left_to_gain(pair):
    moving, _, velocity, _ = pair
    found, record = refine(moving, moving, 0 * velocity, replace(MSE, patience=3, steps=50))
    assert record["levels"][0]["steps"] == 3
    np.testing.assert_array_equal(_numbers(found), 0)


def test_seconds_are_kept(smooth_field, oracle):
    moving, fixed, velocity, _ = _pair(GRIDS["2D"], smooth_field, oracle)
    refine(moving, fixed, 0 * velocity, replace(MSE, steps=1))  # compile
    endless = replace(MSE, steps=10**9, patience=10**9, seconds=0.3)
    started = time.perf_counter()
    _, record = refine(moving, fixed, 0 * velocity, endless)
    assert 0.3 <= time.perf_counter() - started < 1.5
    assert 0.3 <= record["seconds"] < 1.5
    assert record["levels"][0]["steps"] > 1


def test_compiling_is_no_part_of_the_seconds(smooth_field, oracle):
    moving, fixed, velocity, _ = _pair(GRIDS["2D"], smooth_field, oracle)
    # Settings of its own, for which nothing is compiled yet: that takes longer than 0.1 s.
    short = _on(2, 1, velocity=(4, 2), steps=10**6, patience=10**6, prior_lambda=1.2, seconds=0.1)
    _, record = refine(moving, fixed, 0 * velocity, short)
    assert record["seconds"] > 0.2
    assert all(level["steps"] > 1 for level in record["levels"])
    assert 0.09 < sum(level["seconds"] for level in record["levels"]) < 1.0


def test_levels_refine_the_velocity_grid(smooth_field, oracle):
    moving, fixed, velocity, _ = _pair((32, 24), smooth_field, oracle)
    coarse = 0 * velocity[:, ::2, ::2]
    found, record = refine(moving, fixed, coarse, _on(2, 1, velocity=(4, 2), steps=3))
    assert [entry["spacing"] for entry in record["levels"]] == [2, 1]
    assert [entry["velocity_spacing"] for entry in record["levels"]] == [4, 2]
    assert found.shape == velocity.shape


def test_a_finer_grid_keeps_the_displacement_of_the_start(smooth_field):
    """Images without contrast and no prior: nothing moves, whatever grid is used."""
    coarse = smooth_field((6, 5), 1.0)
    blank = np.zeros((1, 24, 20, 1), np.float32)
    settings = replace(MSE, prior_lambda=0.0, steps=2, integration_steps=7)
    found, _ = refine(blank, blank, coarse, settings)
    assert found.shape == (1, 12, 10, 2)
    np.testing.assert_allclose(_numbers(found)[:, ::2, ::2], 2 * coarse, rtol=1e-6)


@pytest.mark.parametrize(
    ("fixed", "velocity"),
    [
        ((1, 24, 20, 1), (1, 5, 10, 2)),
        ((1, 20, 24, 1), (1, 12, 10, 2)),
    ],
)
def test_wrong_shapes_are_named(fixed, velocity):
    with pytest.raises(ValueError, match="refine needs"):
        refine(np.zeros((1, 24, 20, 1)), np.zeros(fixed), np.zeros(velocity), MSE)


def test_field_of_a_network_is_refined(smooth_field, oracle):
    from pmrnet.network_field import FieldModel
    from pmrnet.nn.build import build_network

    # Images of 4 mm for the network: 16 voxels is the least that it takes.
    network = build_network(
        {
            "type": "pmrnet",
            "filters": (4, 4),
            "hidden_filters": (4, 4),
            "hidden_kernels": (1, 1),
            "integration_steps": 5,
        }
    )
    shape = (1, 16, 16, 16, 1)
    network.build({"moving": shape, "fixed": shape})
    model = FieldModel(network, {"spacing": 1})
    moving, fixed, _, _ = _pair((16, 16, 16), smooth_field, oracle)
    images = moving[0, ..., 0], fixed[0, ..., 0]
    plain = model.field(*images)
    assert plain.refinement is None
    same = model.field(*images, refine=replace(MSE, steps=0))
    np.testing.assert_array_equal(same.displacement, plain.displacement)
    refined = model.field(*images, refine=replace(MSE, steps=10))
    assert refined.refinement["levels"][0]["steps"] > 0
    u = 2 * oracle.upsample(oracle.integrate(refined.velocity[None], MSE.integration_steps), 1)
    np.testing.assert_allclose(refined.displacement, u[0], atol=1e-4)
    v = 2 * oracle.upsample(oracle.integrate(-refined.velocity[None], MSE.integration_steps), 1)
    np.testing.assert_allclose(refined.inverse_displacement, v[0], atol=1e-4)
    before, after = (
        np.mean((oracle.warp(moving, f.displacement[None]) - fixed) ** 2) for f in (plain, refined)
    )
    assert after < 0.7 * before


def test_symmetric_refinement_counts_both_directions_alike(pair):
    moving, fixed, velocity, _ = pair
    settings = replace(LNCC, steps=8)
    start = 0.3 * velocity
    found, record = refine(moving, fixed, start, settings, symmetric=True)
    swapped, _ = refine(fixed, moving, -start, settings, symmetric=True)
    found, swapped = _numbers(found), _numbers(swapped)
    assert np.abs(found - start).max() > 0.02
    np.testing.assert_allclose(found, -swapped, atol=1e-3)
    first = [
        refine(*images, start * sign, settings)[1]["levels"][0]["first_loss"]
        for images, sign in (((moving, fixed), 1), ((fixed, moving), -1))
    ]
    assert record["levels"][0]["first_loss"] == pytest.approx(np.mean(first), rel=1e-5)
    assert abs(first[0] - first[1]) > 1e-3 * first[0]


def test_a_field_of_both_directions_stays_so_when_refined(smooth_field):
    from pmrnet.network_field import FieldModel
    from pmrnet.nn.build import build_network

    network = build_network(
        {"type": "pmrnet", "filters": (4, 4), "hidden_filters": (4, 4), "hidden_kernels": (1, 1)}
    )
    shape = (1, 16, 16, 16, 1)
    network.build({"moving": shape, "fixed": shape})
    model = FieldModel(network, {"spacing": 1}, symmetric=True)
    images = 0.5 + 0.5 * smooth_field((16, 16, 16), 1.0, components=2)[0]
    images = images[..., 0], images[..., 1]
    settings = replace(MSE, steps=5)
    found, swapped = (model.field(*images[::n], refine=settings) for n in (1, -1))
    assert np.abs(found.displacement).max() > 0.1
    np.testing.assert_allclose(found.displacement, swapped.inverse_displacement, atol=1e-2)


def compute(folder, name):
    """Refined velocity on the backend of this process."""
    import keras

    folder = Path(folder)
    data = dict(np.load(folder / "inputs.npz"))
    # Few steps: Adam's are signs at first, and where a gradient is near 0 a sign is chance.
    changes = {"steps": 3, "levels": (2, 1), "velocity_spacing": (2, 2), "smoothing": 2}
    few = replace({"mse": MSE, "lncc": LNCC}[name], **changes)
    velocity, record = refine(data["moving"], data["fixed"], data["start"], few)
    losses = [entry["loss"] for entry in record["levels"]]
    path = folder / f"{keras.backend.backend()}.npz"
    np.savez(path, velocity=_numbers(velocity), losses=losses)


@needs_jax
@pytest.mark.parametrize(
    ("grid", "name"), [("2D", "mse"), pytest.param("3D", "lncc", marks=pytest.mark.slow)]
)
def test_tensorflow_and_jax_agree(grid, name, smooth_field, oracle, tmp_path):
    moving, fixed, velocity, _ = _pair(GRIDS[grid], smooth_field, oracle)
    start = smooth_field(velocity.shape[1:-1], 0.3)
    np.savez(tmp_path / "inputs.npz", moving=moving, fixed=fixed, start=start)
    found = {}
    for backend in ("tensorflow", "jax"):
        subprocess.run(
            [sys.executable, __file__, str(tmp_path), name],
            env=environment(backend),
            check=True,
        )
        found[backend] = dict(np.load(tmp_path / f"{backend}.npz"))
    assert set(found["tensorflow"]) == {"velocity", "losses"}
    for key, value in found["tensorflow"].items():
        assert np.isfinite(value).all(), key
        scale = np.abs(value - (start if key == "velocity" else 0)).max()
        np.testing.assert_allclose(found["jax"][key], value, rtol=0, atol=1e-3 * scale, err_msg=key)


if __name__ == "__main__":
    compute(*sys.argv[1:])


def test_the_loss_of_local_correlation_is_its_formula(pair):
    moving, fixed, velocity, _ = pair
    _, record = refine(moving, fixed, 0 * velocity, replace(LNCC, steps=1))
    expected = (1 - float(local_correlation(fixed, moving, 3))) / 0.2**2
    assert record["levels"][0]["first_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("grid", [(48, 40), (24, 32, 40)])
def test_the_coarse_level_alone_finds_the_truth(grid, smooth_field, oracle):
    velocity = smooth_field(tuple(n // 4 for n in grid), 0.6, sigma=2.0)
    moving = 0.5 + 0.5 * smooth_field(grid, 1.0, components=1, sigma=2.5)
    u = 4 * oracle.upsample(oracle.integrate(velocity, 7), 2)
    fixed = oracle.warp(moving, u).astype(np.float32)
    settings = _on(2, 1, velocity=(4, 2), steps=(25, 0))
    found, _ = refine(moving, fixed, 0 * velocity, settings)
    before, after = (_error(v, u, grid, settings) for v in (np.zeros_like(velocity), found))
    assert after < 0.5 * before


def test_the_best_velocity_is_returned_and_not_the_last(pair):
    moving, fixed, velocity, _ = pair  # the truth, which every step of this length makes worse
    wild = replace(MSE, learning_rate=2.0, patience=100, steps=3, smoothing=0)
    found, record = refine(moving, fixed, velocity, wild)
    (level,) = record["levels"]
    assert level["steps"] == 3
    assert level["loss"] == level["first_loss"]
    np.testing.assert_array_equal(_numbers(found), velocity)
