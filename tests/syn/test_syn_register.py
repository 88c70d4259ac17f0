"""What is asked of ANTs, by a stand-in; and what the displacement moves, by ANTs itself."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from pmrnet.errors import InputError
from pmrnet.syn import SynRegistrar, SynSettings
from pmrnet.syn.package import INSTALL, import_ants
from pmrnet.syn.register import register

ROOT = Path(__file__).resolve().parents[2]
GRID = (7, 8, 9)
BLOB_GRID = (40, 44, 36)


class StandIn:
    """Plays antspyx: remembers what it is asked and moves everything by 2, 4 and -6 mm."""

    def __init__(self):
        self.config = SimpleNamespace(set_ants_deterministic=self.seeded)
        self.seeds, self.fails = [], False

    def seeded(self, on, seed_value):
        assert not on  # it would allow no transform but its "Repro" ones
        self.seeds.append(seed_value)

    def from_numpy(self, array, **geometry):
        return SimpleNamespace(array=array, **geometry)

    def registration(self, **asked):
        self.asked = asked
        if self.fails:
            raise RuntimeError("Registration failed with error code 1")
        return {"fwdtransforms": ["1Warp.nii.gz", "0GenericAffine.mat"]}

    def apply_transforms(self, **asked):
        self.applied = asked
        assert os.path.isdir(os.path.dirname(asked["compose"]))
        return asked["compose"] + "comptx.nii.gz"

    def image_read(self, path):
        assert path == self.applied["compose"] + "comptx.nii.gz"
        field = np.broadcast_to([2.0, 4.0, -6.0], (*GRID, 3))
        return SimpleNamespace(numpy=lambda: field)


@pytest.fixture
def stand_in(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "ants", stand_in)
    return stand_in


def test_what_ants_is_asked(stand_in, rng):
    moving, fixed = rng.random(GRID), rng.random(GRID)
    settings = SynSettings("SyN", "CC", 3, (7, 5), 0.1, 2.0, 1.0, 9)
    u = register(moving, fixed, 2.0, settings)
    asked = stand_in.asked
    for image, array in ((asked["moving"], moving), (asked["fixed"], fixed)):
        np.testing.assert_allclose(image.array, array, rtol=1e-6)
        assert (image.spacing, image.origin) == ((2.0,) * 3, (0.0,) * 3)
    assert asked["type_of_transform"] == "SyN"
    assert asked["initial_transform"] == "Identity"
    assert (asked["syn_metric"], asked["syn_sampling"]) == ("CC", 3)
    assert (asked["reg_iterations"], asked["grad_step"]) == ((7, 5), 0.1)
    assert (asked["flow_sigma"], asked["total_sigma"]) == (2.0, 1.0)
    assert stand_in.seeds == [9, None]
    # All transforms in the order that ANTs gives them, none inverted.
    assert stand_in.applied["transformlist"] == ["1Warp.nii.gz", "0GenericAffine.mat"]
    assert stand_in.applied["whichtoinvert"] == [False, False]
    assert stand_in.applied["fixed"] is asked["fixed"]
    # Voxels of 2 mm, and nothing left on the disk.
    assert u.dtype == np.float32
    np.testing.assert_array_equal(u, np.broadcast_to([1.0, 2.0, -3.0], (*GRID, 3)))
    assert not os.path.exists(os.path.dirname(asked["outprefix"]))


def test_prepared_subjects_are_registered_on_their_stored_grid(stand_in, rng):
    moving, fixed = (
        SimpleNamespace(spacing=2, image_at={2: rng.random(GRID)}.__getitem__) for _ in range(2)
    )
    u = SynRegistrar(SynSettings()).displacement(moving, fixed)
    np.testing.assert_array_equal(u[3, 4, 5], [1.0, 2.0, -3.0])
    np.testing.assert_allclose(stand_in.asked["moving"].array, moving.image_at(2), rtol=1e-6)
    np.testing.assert_allclose(stand_in.asked["fixed"].array, fixed.image_at(2), rtol=1e-6)


def test_ants_giving_up_is_said(stand_in):
    stand_in.fails = True
    with pytest.raises(InputError, match=r"gave up \(Registration failed with error code 1\)"):
        register(np.zeros(GRID), np.zeros(GRID), 1.0, SynSettings())
    assert stand_in.seeds == [1, None]
    assert not os.path.exists(os.path.dirname(stand_in.asked["outprefix"]))


def test_without_antspyx_the_readmes_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ants", None)
    with pytest.raises(InputError, match="expected the package antspyx") as caught:
        SynRegistrar(SynSettings())
    assert f"run `{INSTALL}`" in str(caught.value)
    assert f"`.venv/bin/{INSTALL}`" in (ROOT / "README.md").read_text()


@pytest.fixture
def ants():
    try:
        return import_ants()
    except InputError as error:
        pytest.skip(str(error))


def two_blobs(first, second):
    """An image that is 0 near the border, where ANTs and SciPy read beyond it differently."""
    image = np.zeros(BLOB_GRID, np.float32)
    for height, centre, width in ((1.0, first, 7.0), (0.5, second, 3.0)):
        offsets = zip(np.indices(BLOB_GRID), centre, strict=True)
        image += height * np.exp(-0.5 * sum((i - c) ** 2 for i, c in offsets) / width**2)
    inside = np.pad(np.ones([n - 12 for n in BLOB_GRID], bool), 6)
    return np.where(inside, image, 0)


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [1.0, 2.0])
@pytest.mark.parametrize("kind", ["SyNOnly", "SyN"])
def test_the_displacement_moves_as_ants_does(ants, monkeypatch, kind, spacing):
    moving = two_blobs((18, 22, 17), (22, 15, 20))
    fixed = two_blobs((21, 21, 19), (24, 15, 23))
    kept = {}
    registration = ants.registration

    def keeping(**asked):
        kept.update(registration(**asked))
        return kept

    monkeypatch.setattr(ants, "registration", keeping)
    u = register(moving, fixed, spacing, SynSettings(kind, iterations=(40, 20, 10)))
    locations = np.indices(BLOB_GRID) + np.moveaxis(u, -1, 0)
    moved = ndimage.map_coordinates(moving, locations, order=1)
    np.testing.assert_allclose(moved, kept["warpedmovout"].numpy(), atol=1e-4)
    assert np.abs(moved - fixed).mean() < 0.5 * np.abs(moving - fixed).mean()
