"""`inverse`, `compose` and `points` on files of other tools."""

import nibabel as nib
import numpy as np
import pytest
from spaces import FIXED, MOVING, matrix_near_identity, oblique, smooth_field

from pmrnet.cli import main
from pmrnet.transforms import AffineTransform, Chain, read, round_trip_error, to_dense, write


@pytest.fixture
def image(rng, tmp_path):
    """Moving image, a quarter turn and 200 mm from the fixed space's origin."""
    affine = TURN @ oblique(rng, (1.0, 1.2, 0.9), MOVING)
    nib.save(nib.Nifti1Image(np.ones(MOVING, np.uint8), affine), tmp_path / "moving.nii.gz")
    return tmp_path / "moving.nii.gz"


TURN = nib.affines.from_matvec(nib.eulerangles.euler2mat(np.pi / 2, 0.1, 0), (200, -50, 30))


def test_a_field_with_a_large_rotation_is_inverted(rng, tmp_path, image, capsys):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED), peak_mm=1, sigma=4)
    forward = to_dense(Chain([field, AffineTransform(TURN)]), field.shape, field.affine)
    path, out = write(forward, tmp_path / "a.nii.gz"), tmp_path / "b.nii.gz"
    command = ["inverse", "--transform", str(path), "--reference", str(image), "-o", str(out)]
    assert main(command) == 0, capsys.readouterr().err
    inverse = read(out)
    assert inverse.shape == MOVING
    error, back = round_trip_error(forward, inverse), inverse.displacement
    index = nib.affines.apply_affine(
        np.linalg.inv(field.affine),
        np.stack(np.indices(MOVING), -1) @ inverse.affine[:3, :3].T + inverse.affine[:3, 3] + back,
    )
    inside = ((index > 0) & (index < np.array(FIXED) - 1)).all(axis=-1)
    assert inside.mean() > 0.3
    assert error[inside].max() < 0.02


def test_affine_transforms_stay_affine(rng, tmp_path, image):
    first, then = (AffineTransform(matrix_near_identity(rng, 0.2, 30)) for _ in range(2))
    names = [str(write(t, tmp_path / f"{i}.mat")) for i, t in enumerate((first, then))]
    end = ["--reference", str(image), "-o"]
    assert main(["compose", "--transform", *names, *end, str(tmp_path / "c.mat")]) == 0
    np.testing.assert_allclose(
        read(tmp_path / "c.mat").matrix, then.matrix @ first.matrix, atol=1e-9
    )
    assert main(["inverse", "--transform", *names, *end, str(tmp_path / "i.mat")]) == 0
    inverse = read(tmp_path / "i.mat").matrix
    np.testing.assert_allclose(inverse @ then.matrix @ first.matrix, np.eye(4), atol=1e-9)


@pytest.mark.parametrize("command", ["compose", "inverse"])
def test_the_output_is_looked_at_before_the_work(
    rng, tmp_path, image, capsys, command, monkeypatch
):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    path = write(field, tmp_path / "a.nii.gz")
    monkeypatch.setattr("pmrnet.transforms.invert", lambda *_, **__: pytest.fail("it worked"))
    monkeypatch.setattr("pmrnet.transforms.write", lambda *_, **__: pytest.fail("it wrote"))
    end = ["--transform", str(path), "--reference", str(image), "-o"]
    for name, sentence in (("x.mat", "ending in .nii.gz"), ("a.nii.gz", "expected a new file")):
        assert main([command, *end, str(tmp_path / name)]) == 2
        assert sentence in capsys.readouterr().err


def test_a_tolerance_that_cannot_be_meant_is_refused_first(tmp_path, image, capsys):
    command = ["inverse", "--transform", str(tmp_path / "no.nii.gz"), "--reference", str(image)]
    for text in ("nan", "0"):
        assert main([*command, "-o", str(tmp_path / "b.nii.gz"), "--tolerance", text]) == 2
        assert f"finite number of mm above 0, found {text}; " in capsys.readouterr().err


def test_points_say_which_way_they_went(rng, tmp_path, capsys):
    folder = tmp_path / "out"
    for name in ("forward", "inverse"):
        write(AffineTransform(np.eye(4)), folder / f"{name}.nii.gz", fixed=BOX)
    points = tmp_path / "p.csv"
    points.write_text("x,y,z\n1,2,3\n")
    for number, (transforms, said) in enumerate(
        [
            ([f"{folder}"], "1 points of the fixed image to the moving one, by"),
            ([f"inverse:{folder}"], "1 points of the moving image to the fixed one, by"),
            ([f"{folder}", f"inverse:{folder}"], "1 points by"),
            ([f"{folder}/inverse.nii.gz"], "1 points by"),
        ]
    ):
        command = ["points", str(points), "-o", str(tmp_path / f"{number}.csv")]
        assert main([*command, "--transform", *transforms]) == 0
        assert said in capsys.readouterr().out


BOX = nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), np.eye(4))


def test_labels_of_an_npz_are_moved_and_not_its_image(rng, tmp_path):
    shape = (4, 5, 6)
    arrays = {"vol": rng.integers(40, 250, shape, np.uint8), "seg": rng.integers(0, 6, shape)}
    np.savez(tmp_path / "brain.npz", **arrays)
    write(AffineTransform(np.eye(4)), tmp_path / "a.mat")
    nib.save(BOX, tmp_path / "box.nii.gz")
    end = ["--transform", tmp_path / "a.mat", "--reference", tmp_path / "box.nii.gz", "-o"]
    for key, options in (("vol", []), ("seg", ["--labels"])):
        out = tmp_path / f"{key}.nii.gz"
        assert main(["apply", *map(str, [tmp_path / "brain.npz", *options, *end, out])]) == 0
        np.testing.assert_allclose(np.asarray(nib.load(out).dataobj), arrays[key], atol=1e-4)
