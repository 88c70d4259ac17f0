from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from pmrnet.figures.comparison import View, draw_comparison, view_of
from pmrnet.figures.style import texts_of

SHAPE = (7, 8, 9)
GROUPS = {"Left": [3, 5], "Right": [4]}


def subject(rng, native_affine, grid_to_native, labels=True):
    """Labels, blocks of three voxels, on a native grid of their own."""
    blocks = rng.choice([0, 3, 4, 5, 9], size=(4, 4, 4))
    volume = np.kron(blocks, np.ones((3, 3, 3), int)).astype(np.int16)
    return SimpleNamespace(
        name="x",
        image=rng.random(SHAPE, np.float32),
        native_affine=native_affine,
        native_shape=volume.shape,
        grid_to_native=grid_to_native,
        labels_path="there" if labels else None,
        labels=lambda: SimpleNamespace(data=volume),
    )


def oblique(angle, scale, shift):
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.eye(4)
    matrix[:3, :3] = scale * np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    matrix[:3, 3] = shift
    return matrix


@pytest.fixture
def pair(rng):
    moving = subject(rng, oblique(0.3, 1.1, (4, -2, 1)), oblique(0.1, 1.2, (1, 0.5, 0.7)))
    fixed = subject(rng, oblique(-0.2, 0.9, (3, -3, 2)), oblique(-0.1, 1.1, (0.4, 1, 0.9)))
    return moving, fixed


def grouped(values):
    return np.select([np.isin(values, group) for group in GROUPS.values()], [1, 2], 0)


def looked_up(volume, matrix, at):
    """Nearest value at ``matrix at``, 0 beyond."""
    places = np.einsum("ij,j...->i...", matrix[:3, :3], at) + matrix[:3, 3, None, None, None]
    index = np.floor(places + 0.5).astype(int)
    inside = np.all([(i >= 0) & (i < n) for i, n in zip(index, volume.shape, strict=True)], axis=0)
    index = [np.clip(i, 0, n - 1) for i, n in zip(index, volume.shape, strict=True)]
    return np.where(inside, volume[tuple(index)], 0)


def test_regions_and_image_under_a_displacement(pair, smooth_field):
    moving, fixed = pair
    u = smooth_field(SHAPE, 2.0)[0]
    view = view_of("x", moving, fixed, u, GROUPS, dice=0.5)
    at = np.indices(SHAPE) + np.moveaxis(u, -1, 0)
    expected = grouped(looked_up(moving.labels().data, moving.grid_to_native, at))
    # A few voxels lie on the border between two labels, to the precision of the arithmetic.
    assert (view.regions == expected).mean() > 0.99
    assert set(np.unique(view.regions)) == {0, 1, 2}
    np.testing.assert_allclose(
        view.image, ndimage.map_coordinates(moving.image, at, order=1), atol=1e-5
    )
    assert (view.title, view.dice) == ("x", 0.5)


def test_affine_alone_leaves_the_image(pair):
    moving, fixed = pair
    view = view_of("x", moving, fixed, None, GROUPS)
    np.testing.assert_array_equal(view.image, moving.image)
    at = np.indices(SHAPE).astype(float)
    expected = grouped(looked_up(moving.labels().data, moving.grid_to_native, at))
    assert (view.regions == expected).mean() > 0.99


def test_headers_alone(pair):
    moving, fixed = pair
    view = view_of("x", moving, fixed, None, GROUPS, header=True)
    to_native = np.linalg.inv(moving.native_affine) @ fixed.native_affine @ fixed.grid_to_native
    at = np.indices(SHAPE).astype(float)
    expected = grouped(looked_up(moving.labels().data, to_native, at))
    assert (view.regions == expected).mean() > 0.99
    to_grid = np.linalg.inv(moving.grid_to_native) @ to_native
    places = np.einsum("ij,j...->i...", to_grid[:3, :3], at) + to_grid[:3, 3, None, None, None]
    np.testing.assert_allclose(
        view.image, ndimage.map_coordinates(moving.image, places, order=1), atol=1e-5
    )
    assert np.abs(view.image - moving.image).max() > 0.1


def test_no_labels_no_regions(rng):
    bare = subject(rng, np.eye(4), np.eye(4), labels=False)
    assert view_of("x", bare, bare, None, GROUPS).regions is None


def test_the_figure_names_all_methods(pair):
    moving, fixed = pair
    views = [view_of(f"method {n}", moving, fixed, None, GROUPS, dice=0.1 * n) for n in range(7)]
    absent = {"A": "no weights", "B": "no weights", "C": "no labels"}
    figure = draw_comparison(view_of("Fixed", fixed, fixed, None, GROUPS), views, absent, "a pair")
    figure.canvas.draw()
    texts = texts_of(figure)
    assert {"Fixed", "a pair", *(f"method {n}\nDice {0.1 * n:.3f}" for n in range(7))} <= set(texts)
    # Two rows of methods, each with the fixed image in front.
    assert texts.count("Fixed") == 2
    note = next(text for text in texts if "Absent" in text)
    assert "Absent (no weights): A; B." in note
    assert "Absent (no labels): C." in note


def test_long_names_stay_within_their_panels(rng):
    name = "PMR-Net plus, general-purpose weights, three passes, refined, trained on LPBA40"
    views = [View(name, rng.random((16, 19, 16)), dice=0.5) for _ in range(9)]
    figure = draw_comparison(View("Fixed", rng.random((16, 19, 16))), views, {})
    figure.canvas.draw()
    drawn = [panel.title.get_window_extent() for panel in figure.axes if panel.get_title()]
    for one in drawn:
        assert one.x0 >= 0
        assert not any(one.overlaps(other) for other in drawn if other is not one)


def test_no_method_at_all(rng):
    assert "Fixed" in texts_of(draw_comparison(View("Fixed", rng.random(SHAPE)), [], {"A": "b"}))


def test_the_difference_is_fixed_minus_moved(rng):
    fixed, moved = (View(name, rng.random(SHAPE)) for name in "ab")
    figure = draw_comparison(fixed, [moved], {})
    images = [image.get_array() for panel in figure.axes for image in panel.get_images()]
    expected = (fixed.image - moved.image)[..., SHAPE[2] // 2].T
    assert sum(i.shape == expected.shape and np.allclose(i, expected) for i in images) == 1
    assert any("no contours" in text for text in texts_of(figure))
