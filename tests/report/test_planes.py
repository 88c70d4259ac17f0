import numpy as np
import pytest

from pmrnet.report.planes import SLICES, choose_planes

# A bright voxel at the left (low x), the front (high y) and the top (high z).
CORNER = (5, 30, 22)


@pytest.fixture
def marked(make_content):
    volume = np.zeros((30, 36, 28))
    volume[CORNER] = 1
    return make_content(), volume


@pytest.mark.parametrize("mirrored", [False, True])
def test_left_is_where_the_letters_say(marked, mirrored):
    content, volume = marked
    for plane in choose_planes(content, mirrored):
        # The slab that the voxel is in, whether or not its slice is cut there.
        number = next(i for i, (a, b) in enumerate(plane.slabs) if a <= CORNER[plane.axis] < b)
        picture = plane.anywhere(volume > 0)[number]
        (row, column), (height, width) = np.argwhere(picture)[0], picture.shape
        assert plane.marks["top" if row < height / 2 else "bottom"] in "AS"
        side = plane.marks["left" if column < width / 2 else "right"]
        assert side == ("A" if plane.name == "sagittal" else "L")
        other = plane.marks["right" if column < width / 2 else "left"]
        assert other == ("P" if plane.name == "sagittal" else "R")
        if plane.name != "sagittal":
            assert plane.marks["left"] == ("R" if mirrored else "L")


def test_slices_cut_what_the_titles_say(make_content):
    content = make_content()
    coordinates = np.indices((30, 36, 28)) * 2.0 + np.array([-30, -40, -20]).reshape(3, 1, 1, 1)
    planes = choose_planes(content)
    assert [plane.name for plane in planes] == ["axial", "coronal", "sagittal"]
    for plane in planes:
        cuts = plane.slices(coordinates[plane.axis])
        assert len(cuts) == len(plane.slabs) == len(plane.titles) <= SLICES
        for cut, title in zip(cuts, plane.titles, strict=True):
            assert np.ptp(cut) == 0
            assert title == f"{'xyz'[plane.axis]} = {cut.flat[0]:.0f} mm"


def test_slabs_cover_the_brain_and_nothing_twice(make_content):
    content = make_content()
    for plane in choose_planes(content):
        voxels = [i for first, end in plane.slabs for i in range(first, end)]
        assert len(set(voxels)) == len(voxels)
        used = np.flatnonzero(content.brain.any(axis=tuple({0, 1, 2} - {plane.axis})))
        assert set(used) <= set(voxels)
        # A voxel anywhere in the brain is in exactly one projection.
        for voxel in np.argwhere(content.brain)[::997]:
            mask = np.zeros(content.brain.shape, bool)
            mask[tuple(voxel)] = True
            assert plane.anywhere(mask).sum() == 1


def test_shape_of_the_pictures(make_content):
    affine = np.diag([2.0, 1.0, 3.0, 1])
    content = make_content(affine=affine)
    for plane in choose_planes(content):
        count, height, width = plane.slices(content.fixed).shape
        across, up = plane.axes
        assert count == len(plane.slabs)
        assert plane.aspect == pytest.approx(
            width * affine[across, across] / (height * affine[up, up])
        )
        assert plane.slices(content.displacement).shape == (count, height, width, 3)


def test_few_slices_of_a_thin_brain(make_content):
    thin = np.zeros((30, 36, 28), np.float32)
    thin[3:27, 10:15, 4] = 1
    content = make_content(fixed=thin, moving=thin, moved=thin)
    assert [len(plane.slabs) for plane in choose_planes(content)] == [1, 5, 24]
    assert all((plane.slices(thin) != 0).any(axis=(1, 2)).all() for plane in choose_planes(content))
