import numpy as np
import pytest

from pmrnet.data import in_memory
from pmrnet.data.downsampling import downsample
from pmrnet.data.in_memory import load_images
from pmrnet.data.prepared import write_prepared
from pmrnet.errors import InputError

SHAPES = [(6, 8, 10), (6, 8, 10), (7, 9, 8)]


@pytest.fixture
def subjects(tmp_path):
    rng = np.random.default_rng(0)
    return [write(tmp_path / f"s{i}", rng.random(s, np.float32)) for i, s in enumerate(SHAPES)]


def write(folder, image):
    record = {
        "name": folder.name,
        "grid_to_native": np.eye(4).tolist(),
        "native_affine": np.eye(4).tolist(),
        "native_shape": [7, 8, 9],
        "overlap": 1.0,
        "inputs": {"image": {"path": "/no/where.nii", "sha256": "0"}},
        "settings": {},
        "settings_hash": "h",
    }
    return write_prepared(folder, image, record)


@pytest.mark.parametrize("spacing", [1, 2])
def test_both_ways_give_the_same(subjects, spacing):
    shapes = [tuple(-(-n // spacing) for n in shape) for shape in SHAPES]
    size = sum(4 * np.prod(shape) for shape in shapes)
    held = load_images(subjects, spacing, budget_bytes=size)
    assert not any(isinstance(image, np.memmap) for image in held)
    assert not list(subjects[0].folder.glob("image_*"))
    mapped = load_images(subjects, spacing, budget_bytes=size - 1)
    assert all(isinstance(image, np.memmap) for image in mapped)
    assert [image.shape for image in held] == shapes
    for subject, one, other in zip(subjects, held, mapped, strict=True):
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, downsample(np.array(subject.image), spacing))


def test_coarse_files_are_made_once_and_go_with_their_image(subjects):
    load_images(subjects, 2, budget_bytes=0)
    path = subjects[0].folder / "image_2mm.npy"
    before = path.stat().st_mtime_ns
    load_images(subjects, 2, budget_bytes=0)
    assert path.stat().st_mtime_ns == before
    path.write_bytes(b"broken")
    again = load_images(subjects, 2, budget_bytes=0)[0]
    np.testing.assert_array_equal(again, subjects[0].image_at(2))
    np.save(path, np.zeros((1, 2, 3), np.float32))
    assert load_images(subjects, 2, budget_bytes=0)[0].shape == (3, 4, 5)
    changed = write(subjects[0].folder, np.ones(SHAPES[0], np.float32))
    assert not path.exists()
    (image,) = load_images([changed], 2, budget_bytes=0)
    np.testing.assert_allclose(image, 1, atol=1e-6)


def test_budget_by_the_memory(subjects, monkeypatch):
    size = sum(4 * np.prod(shape) for shape in SHAPES)
    for available, kind in ((4 * size, np.ndarray), (4 * size - 4, np.memmap)):
        monkeypatch.setattr(in_memory, "free_memory", lambda value=available: value)
        assert all(type(image) is kind for image in load_images(subjects, 1))


def test_wrong_spacing(subjects):
    for budget in (0, 10**9):
        with pytest.raises(InputError, match="whole multiples"):
            load_images(subjects, 1.5, budget)
