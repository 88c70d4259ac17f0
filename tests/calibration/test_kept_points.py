"""Points of a calibration that was stopped."""

import numpy as np
import pytest

from pmrnet.calibration.kept_points import KeptPoints
from pmrnet.calibration.points import Points

PAIR = ("a/b c", "d")


@pytest.fixture
def points(rng):
    deviation = rng.uniform(0.1, 1, size=(7, 3)).astype(np.float32)
    return Points(deviation, rng.normal(size=(7, 3)))


def test_come_back_bit_by_bit(tmp_path, points):
    KeptPoints(tmp_path / "kept", {"seed": 1}).write(PAIR, 2.5, points)
    found = KeptPoints(tmp_path / "kept", {"seed": 1}).read(PAIR, 2.5)
    for name in ("deviation", "error"):
        np.testing.assert_array_equal(getattr(found, name), getattr(points, name))
        assert getattr(found, name).dtype == getattr(points, name).dtype


def test_of_something_else_are_not_seen(tmp_path, points):
    kept = KeptPoints(tmp_path, {"seed": 1})
    kept.write(PAIR, 2.5, points)
    assert kept.read(PAIR[::-1], 2.5) is None
    assert kept.read(PAIR, 2.0) is None
    assert KeptPoints(tmp_path, {"seed": 2}).read(PAIR, 2.5) is None


@pytest.mark.parametrize("damage", [b"", b"PK", b"not points"])
def test_a_damaged_file_counts_as_none(tmp_path, points, damage):
    kept = KeptPoints(tmp_path, {})
    kept.write(PAIR, 1.0, points)
    (file,) = tmp_path.glob("*/*.npz")
    file.write_bytes(damage)
    assert kept.read(PAIR, 1.0) is None


def test_are_removed_at_the_end(tmp_path, points):
    for seed in (1, 2):
        KeptPoints(tmp_path / "kept", {"seed": seed}).write(PAIR, 1.0, points)
    KeptPoints(tmp_path / "kept", {"seed": 3}).remove()
    assert list(tmp_path.iterdir()) == []
    KeptPoints(tmp_path / "kept", {}).remove()
