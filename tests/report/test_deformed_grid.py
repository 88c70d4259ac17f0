import numpy as np
import pytest

from pmrnet.report.deformed_grid import draw_grid

ROWS, COLUMNS = 40, 50


def coordinates(shift=(0.0, 0.0)):
    """Moving coordinates in mm of voxels of 1 mm: the place plus a displacement."""
    at = np.stack(np.mgrid[0.0:ROWS, 0.0:COLUMNS], axis=-1)
    return (at + shift)[None]


def lines_along(opacity, axis):
    """Pixels across which the lines run that are constant along an axis."""
    return np.flatnonzero((opacity > 0.7).all(axis=axis))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.0)])
def test_straight_lines_where_the_moving_coordinate_is_a_multiple(shift):
    opacity = draw_grid(coordinates(shift), 8.0)[0]
    assert opacity.shape == (2 * ROWS, 2 * COLUMNS)
    for axis, size in enumerate((ROWS, COLUMNS)):
        expected = [v for v in range(1, size - 1) if (v + shift[axis]) % 8 == 0]
        # Voxel v is the two pixels 2 v and 2 v + 1.
        found = lines_along(opacity, 1 - axis) // 2
        assert set(expected) <= set(found.tolist())
        assert all(
            min(abs(f - v) for v in range(-8, size + 8) if (v + shift[axis]) % 8 == 0) <= 1
            for f in found
        )


def test_lines_are_thin_and_end_in_shades():
    opacity = draw_grid(coordinates(), 8.0)
    assert opacity.min() == 0
    assert opacity.max() == 1
    # About 1.5 of 16 pixels along each axis.
    assert 0.12 < opacity.mean() < 0.25
    assert ((opacity > 0.1) & (opacity < 0.9)).any()


def test_expansion_draws_lines_apart_and_compression_together():
    at = coordinates()
    count = {
        factor: len(lines_along(draw_grid(at * factor, 8.0)[0], 0)) for factor in (0.5, 1.0, 2.0)
    }
    assert count[0.5] < count[1.0] < count[2.0]


def test_where_nothing_changes_there_is_nothing_to_divide_by():
    flat = np.full((1, 9, 11, 2), 3.0)
    assert np.isfinite(draw_grid(flat, 8.0)).all()
    assert not draw_grid(flat, 8.0).any()
