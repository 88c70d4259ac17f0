import numpy as np
import pytest
from matplotlib.image import imread

from pmrnet.picture import draw_registration

SHAPE = (20, 24, 16)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.random(SHAPE, np.float32), rng.random(SHAPE, np.float32)


def shift(voxels, axis):
    field = np.zeros((*SHAPE, 3), np.float32)
    field[..., axis] = voxels
    return field


def panels(path):
    """The middle of each column of the picture, without the title's rows."""
    picture = imread(path)
    assert picture.shape[0] > 600
    assert picture.shape[1] > 1200
    columns = np.array_split(picture[80:, ..., :3], 6, axis=1)
    return [column[:, 50:-50] for column in columns]


def test_what_the_picture_shows(tmp_path, images):
    moving, fixed = images
    paths = {
        name: draw_registration(tmp_path / f"{name}.png", moving, other, field, "title")
        for name, other, field in (
            ("none", fixed, shift(0, 0)),
            ("moved", fixed, shift(1.5, 1)),
            ("same", moving, shift(0, 0)),
        )
    }
    none, moved, same = (panels(paths[name]) for name in ("none", "moved", "same"))

    def differ(a, b):
        return [bool(np.abs(x - y).mean() > 0.005) for x, y in zip(a, b, strict=True)]

    # moving, fixed, moved, difference before, difference after, grid
    assert differ(none, moved) == [False, False, True, False, True, True]
    assert differ(none, same) == [False, True, False, True, True, False]
    # Without a difference, the panels of differences are one even grey.
    assert same[3].std() < 0.1 < none[3].std()


def test_a_failed_drawing_leaves_no_file(tmp_path, images, monkeypatch):
    from matplotlib.figure import Figure

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(KeyboardInterrupt):
        draw_registration(tmp_path / "a.png", *images, shift(0, 0), "title")
    assert not list(tmp_path.iterdir())
