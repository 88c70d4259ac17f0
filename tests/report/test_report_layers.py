import numpy as np
import pytest
from sheet_reader import cell, decode

from pmrnet.report.colour_scales import FOLDING_INDEX, jacobian_scale, uncertainty_scale
from pmrnet.report.layers import difference_limit, differences, draw_layers, window
from pmrnet.report.planes import choose_planes
from pmrnet.report.sheets import offsets

GREY = ("fixed", "moving", "moved", "before", "after")


def draw(content, mirrored=False):
    planes = choose_planes(content, mirrored)
    scale = None
    if content.uncertainty is not None:
        scale = uncertainty_scale(content.uncertainty[content.brain])
    return planes, draw_layers(content, planes, scale)


def pictures(plane, uri, mode="L", finer=1):
    """The slices of a sheet, (slices, rows, columns[, 4])."""
    sheet = np.asarray(decode(uri).convert(mode))
    rows, columns = (plane.box[axis].stop - plane.box[axis].start for axis in plane.axes[::-1])
    size = finer * rows, finer * columns
    return np.stack([cell(sheet, offset, *size) for offset in offsets(len(plane.slabs))])


def test_every_layer_of_every_plane(make_content):
    _, sheets = draw(make_content())
    names = {*GREY, "grid", "jacobian", "uncertainty"}
    assert sheets.keys() == {(p, n) for p in ("axial", "coronal", "sagittal") for n in names}
    _, sheets = draw(make_content(uncertainty=None))
    assert not any(name == "uncertainty" for _, name in sheets)


def test_grey_pictures_show_the_volumes(make_content):
    content = make_content()
    planes, sheets = draw(content, mirrored=True)
    for plane in planes:
        for name in ("fixed", "moving", "moved"):
            image = getattr(content, name)
            top = np.percentile(image[image != 0], 99.5)
            expected = 255 * np.clip(plane.slices(image) / top, 0, 1)
            found = pictures(plane, sheets[plane.name, name]).astype(float)
            # What JPEG loses is small on average.
            assert np.abs(found - expected).mean() < 4


def test_differences_share_a_scale(make_content, brain):
    content = make_content(
        moved=brain,
        difference_before=np.where(brain > 0, 0.5, 0.0),
        difference_after=np.where(brain > 0, -0.25, 0.0),
    )
    planes, sheets = draw(content)
    plane = planes[0]
    inside = plane.slices(brain) > 0
    before, after = (pictures(plane, sheets[plane.name, n])[inside] for n in ("before", "after"))
    assert np.median(before) == 255
    assert np.median(after) == pytest.approx(127.5 * 0.5, abs=2)
    outside = pictures(plane, sheets[plane.name, "before"])[~inside]
    assert np.median(outside) == pytest.approx(127.5, abs=1)


def test_differences_are_of_the_scaled_images_unless_given(make_content, brain):
    content = make_content(moving=3 * brain, moved=np.roll(brain, 1, 0))
    scaled = {name: window(getattr(content, name)) for name in ("fixed", "moving", "moved")}
    before, after = differences(content, **scaled)
    np.testing.assert_allclose(before, 0, atol=1e-6)
    assert np.abs(after).max() > 0.2
    given = make_content(difference_before=brain, difference_after=2 * brain)
    np.testing.assert_array_equal(differences(given, **scaled), (brain, 2 * brain))


def test_equal_images_have_no_difference_to_scale(brain):
    zero = np.zeros_like(brain)
    assert difference_limit(zero, zero, brain > 0) == 1
    assert difference_limit(zero, zero - 3, brain > 0) == 3


@pytest.mark.parametrize(("offset", "low", "high"), [(0, 0, 1), (-0.6, None, 1)])
def test_window(brain, offset, low, high):
    image = np.where(brain > 0, brain + offset, 0)
    scaled = window(image)
    inside = scaled[image != 0]
    assert np.percentile(inside, 99.5) == pytest.approx(high, abs=1e-3)
    if low is None:  # negative intensities begin at black
        assert np.percentile(inside, 0.5) == pytest.approx(0, abs=1e-3)
    else:
        assert (scaled[image == 0] == low).all()
    assert np.isfinite(window(np.zeros((2, 3, 4)))).all()


def test_jacobian_map(make_content, brain):
    determinant = np.full(brain.shape, 2.0)
    # In the brain, and from back to front in a slab of two slices, of which the other one is cut.
    slabs = [plane.slabs for plane in choose_planes(make_content())][::-1]
    inside = 15, next(a for a, b in slabs[1][8:] if b - a == 2), 14
    determinant[inside] = 0
    # In the slabs, and not in the brain.
    determinant[tuple(slabs[axis][0][0] for axis in range(3))] = -1
    assert brain[inside] > 0
    content = make_content(jacobian=determinant)
    planes, sheets = draw(content)
    palette = jacobian_scale().palette()
    for plane in planes:
        found = pictures(plane, sheets[plane.name, "jacobian"], "RGBA")
        folded = (found == palette[FOLDING_INDEX]).all(axis=-1)
        assert folded.sum() == 9
        assert folded.any(axis=(1, 2)).sum() == 1
        inside = plane.slices(content.brain)
        even = inside & ~folded
        assert (found[even] == palette[jacobian_scale().index(1.0)]).all()
        assert (found[~inside & ~folded][:, 3] == 0).all()


def test_uncertainty_map(make_content, brain):
    content = make_content(uncertainty=np.where(np.indices(brain.shape)[0] < 15, 0.5, 1.0))
    planes, sheets = draw(content)
    scale = uncertainty_scale(np.array([0.5, 1.0]))
    for plane in planes:
        found = pictures(plane, sheets[plane.name, "uncertainty"], "RGBA")
        expected = scale.palette()[scale.index(plane.slices(content.uncertainty))]
        inside = plane.slices(content.brain)
        np.testing.assert_array_equal(found[inside], expected[inside])
        assert (found[~inside][:, 3] == 0).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_grid_lines_follow_the_displacement(make_content, brain, mirrored):
    # 3 mm to the right, so that a line at x = 8 k in the moving image lies at x = 8 k - 3 here.
    displacement = np.zeros((*brain.shape, 3), np.float32)
    displacement[..., 0] = 3
    content = make_content(displacement=displacement)
    planes, sheets = draw(content, mirrored)
    x = np.broadcast_to((-30 + 2 * np.arange(30))[:, None, None], brain.shape)
    for plane in planes[:2]:
        opacity = pictures(plane, sheets[plane.name, "grid"], "RGBA", finer=2)[..., 3] / 255
        # Columns that a line fills from the top to the bottom.
        full = (opacity[0] > 0.7).all(axis=0)
        here = np.repeat(plane.slices(x)[0, 0], 2) + np.tile(
            [0.5, -0.5] if mirrored else [-0.5, 0.5], plane.slices(x).shape[2]
        )
        away = np.abs((here + 3) / 8 - np.rint((here + 3) / 8)) * 8
        assert full.sum() >= 4
        assert (away[full] <= 0.5).all()
        assert full[1:-1][away[1:-1] <= 0.5].all()
