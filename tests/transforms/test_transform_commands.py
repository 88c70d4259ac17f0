"""`inverse`, `compose` and `points` on files of other tools."""

import json

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
        told = capsys.readouterr().out
        assert said in told
        assert "outside" not in told
    points.write_text("x,y,z\n1,2,3\n1000,2000,3000\n-5,1,1\n")
    command = ["points", str(points), "--transform", str(folder), "-o", str(tmp_path / "o.csv")]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert f"{tmp_path / 'o.csv'}; 2 of them outside of the transform's grid" in told


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


@pytest.mark.parametrize("fill", ["0", "-7"])
def test_an_image_that_lands_elsewhere_is_told_of(rng, tmp_path, capsys, fill):
    image = nib.Nifti1Image(rng.random(BOX.shape, np.float32), np.eye(4))
    nib.save(image, tmp_path / "a.nii.gz")
    nib.save(nib.Nifti1Image(np.full(BOX.shape, 3.5, np.float32), np.eye(4)), tmp_path / "b.nii.gz")
    nib.save(BOX, tmp_path / "box.nii.gz")
    for shift in (0, 500):
        matrix = nib.affines.from_matvec(np.eye(3), (shift, 0, 0))
        write(AffineTransform(matrix), tmp_path / f"{shift}.mat")
    end = ["--reference", tmp_path / "box.nii.gz", "--overwrite", "--fill", fill]
    end += ["-o", tmp_path / "out.nii.gz", "--transform"]
    told = {}
    for name, shift in (("a", 0), ("a", 500), ("b", 500)):
        command = ["apply", tmp_path / f"{name}.nii.gz", *end, tmp_path / f"{shift}.mat"]
        assert main([str(word) for word in command]) == 0
        told[name, shift] = capsys.readouterr().err
    assert "warning: " in told["a", 500]
    assert "out.nii.gz has one value everywhere, since nothing of" in told["a", 500]
    assert told["a", 0] == told["b", 500] == ""


@pytest.fixture
def pair(rng, tmp_path):
    """Two images that lie 150 mm apart, a registration of them, and its affine part of FLIRT's."""
    grids = {}
    for role, shape, matrix in (("fixed", FIXED, np.eye(4)), ("moving", MOVING, TURN)):
        affine = matrix @ oblique(rng, (1.0, 1.2, 0.9), shape)
        grids[role] = nib.Nifti1Image(rng.uniform(1, 9, shape).astype(np.float32), affine)
        nib.save(grids[role], tmp_path / f"{role}.nii.gz")
    there = AffineTransform(TURN @ matrix_near_identity(rng, 0.1, 2))
    folder = tmp_path / "out"
    write(there, folder / "forward.nii.gz", fixed=grids["fixed"])
    write(there.inverse(), folder / "inverse.nii.gz", fixed=grids["moving"])
    images = {
        role: {"shape": list(image.shape), "affine": image.affine.tolist()}
        for role, image in grids.items()
    }
    (folder / "metrics.json").write_text(json.dumps({"images": images}))
    write(there, tmp_path / "flirt.mat", "fsl", **grids)
    return there, folder, tmp_path / "flirt.mat"


def moved_by(tmp_path, at, *words):
    (tmp_path / "p.csv").write_text(
        "x,y,z\n" + "".join(f"{x:.6f},{y:.6f},{z:.6f}\n" for x, y, z in at)
    )
    end = ["-o", tmp_path / "q.csv", "--overwrite"]
    assert main(["points", str(tmp_path / "p.csv"), *map(str, [*words, *end])]) == 0
    return np.loadtxt(tmp_path / "q.csv", delimiter=",", skiprows=1)


@pytest.mark.parametrize("name", ["--fixed", "--reference"])
def test_points_take_flirts_images_alike_both_ways(rng, tmp_path, pair, name):
    there, folder, flirt = pair
    images = [name, tmp_path / "fixed.nii.gz", "--moving", tmp_path / "moving.nii.gz"]
    at = rng.uniform(-4, 4, (20, 3))
    for prefix, points in (("", at), ("inverse:", there.map_points(at))):
        found = moved_by(tmp_path, points, "--transform", f"{prefix}{flirt}", *images)
        expected = moved_by(tmp_path, points, "--transform", f"{prefix}{folder}")
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_inverse_of_a_bare_flirt_matrix(tmp_path, pair, capsys):
    there, _, flirt = pair
    fixed, moving = (
        ["--fixed", tmp_path / "fixed.nii.gz"],
        ["--moving", tmp_path / "moving.nii.gz"],
    )

    def inverse(reference, *more, out="i.mat"):
        grid = ["--reference", tmp_path / f"{reference}.nii.gz"]
        end = ["-o", tmp_path / out, "--overwrite"]
        return main(["inverse", *map(str, ["--transform", flirt, *grid, *more, *end])])

    for more in (fixed, [*fixed, *moving]):
        assert inverse("moving", *more) == 0
        found = read(tmp_path / "i.mat").matrix
        np.testing.assert_allclose(found @ there.matrix, np.eye(4), atol=1e-5)
    assert inverse("moving", *fixed, "--format", "fsl", out="f.mat") == 0
    product = np.loadtxt(tmp_path / "f.mat") @ np.loadtxt(flirt)
    np.testing.assert_allclose(product, np.eye(4), atol=1e-6)
    # FLIRT's -ref as the grid, which its inverse does not have.
    capsys.readouterr()
    assert inverse("fixed", *moving) == 2
    assert "found no fixed image; give --fixed (FLIRT's -ref)" in capsys.readouterr().err
    assert inverse("fixed", *fixed, *moving) == 2
    assert "found the grid of the one that it begins at" in capsys.readouterr().err


def test_apply_and_compose_take_a_bare_flirt_matrix_both_ways(tmp_path, pair):
    """A field on the grid, and an image on it, are as the registration's own."""
    _, folder, flirt = pair
    for prefix, grid, other in (("", "fixed", "moving"), ("inverse:", "moving", "fixed")):
        results = []
        for number, transform in enumerate((folder, flirt)):
            words = [
                "--transform",
                f"{prefix}{transform}",
                "--reference",
                f"{tmp_path}/{grid}.nii.gz",
            ]
            if transform == flirt:
                words += [f"--{other}", f"{tmp_path}/{other}.nii.gz"]
            field, image = (f"{tmp_path}/{prefix[:3]}{kind}{number}.nii.gz" for kind in "fi")
            assert main(["compose", *words, "-o", field]) == 0
            assert main(["apply", f"{tmp_path}/{other}.nii.gz", *words, "-o", image]) == 0
            results.append((read(field).displacement, nib.load(image).get_fdata()))
        for one, two in zip(*results, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-2)
        assert np.abs(results[0][1]).max() > 1


def test_fsls_format_names_the_image_that_it_lacks(tmp_path, pair, capsys):
    """The folder of a registration knows where it leads, a file of it does not."""
    _, folder, _ = pair
    for command, prefix, lacking in (
        ("inverse", "", "--fixed"),
        ("compose", "inverse:", "--fixed"),
        ("compose", "", "--moving"),
    ):
        grid = "fixed" if lacking == "--moving" else "moving"
        end = ["--reference", f"{tmp_path}/{grid}.nii.gz", "--format", "fsl", "--overwrite", "-o"]
        whole = [command, "--transform", f"{prefix}{folder}", *end]
        assert main([*whole, f"{tmp_path}/folder.nii.gz"]) == 0
        bare = [command, "--transform", f"{prefix}{folder}/forward.nii.gz", *end]
        assert main([*bare, f"{tmp_path}/x.nii.gz"]) == 2
        assert f"give {lacking}." in capsys.readouterr().err
        other = [lacking, f"{tmp_path}/{lacking[2:]}.nii.gz"]
        for words, name in ((bare, "bare"), (whole, "told")):
            command_line = [*words, f"{tmp_path}/{name}.nii.gz", *other]
            assert main(command_line) == 0
        known, told = (nib.load(tmp_path / f"{n}.nii.gz").get_fdata() for n in ("folder", "told"))
        np.testing.assert_allclose(known, told, atol=1e-5)


@pytest.mark.parametrize("command", ["apply", "compose", "jacobian"])
def test_the_grid_of_the_other_image_is_told_of(tmp_path, pair, capsys, command):
    """It is what `inverse:` forgotten, or there without need, looks like."""
    _, folder, _ = pair
    for text, begin, end in (
        (str(folder), "fixed", "moving"),
        (f"inverse:{folder}", "moving", "fixed"),
    ):
        for grid in (begin, end):
            image = [f"{tmp_path}/{begin if grid == end else end}.nii.gz"]
            words = ["--transform", text, "--reference", f"{tmp_path}/{grid}.nii.gz", "-o"]
            words += [f"{tmp_path}/o.nii.gz", "--overwrite"]
            assert main([command, *(image if command == "apply" else []), *words]) == 0
            said = capsys.readouterr().err
            assert ("for the way back say" in said) == (grid == end)
        back = f"{folder}" if text.startswith("inverse:") else f"inverse:{folder}"
        assert f"`--transform {back}`" in said


def test_a_header_without_orientation_is_told_of(tmp_path, pair, capsys):
    _, folder, _ = pair
    labels = nib.Nifti1Image(np.ones(MOVING, np.uint8), None)
    for code in ("qform", "sform"):
        getattr(labels.header, f"set_{code}")(None, 0)
    nib.save(labels, tmp_path / "labels.nii.gz")
    end = ["--labels", "--transform", str(folder), "--reference", f"{tmp_path}/fixed.nii.gz"]
    end += ["--overwrite", "-o", f"{tmp_path}/o.nii.gz"]
    assert main(["apply", f"{tmp_path}/labels.nii.gz", *end]) == 0
    said = capsys.readouterr().err
    assert "labels.nii.gz: its header has no orientation, so its voxel axes are taken" in said
    assert "left and right may be swapped" in said
    assert "another affine, which puts voxels up to" in said
    right = nib.Nifti1Image(np.ones(MOVING, np.uint8), nib.load(tmp_path / "moving.nii.gz").affine)
    nib.save(right, tmp_path / "labels.nii.gz")
    assert main(["apply", f"{tmp_path}/labels.nii.gz", *end]) == 0
    assert capsys.readouterr().err == ""


def test_an_image_after_the_transforms_is_missed_with_the_reason(capsys):
    with pytest.raises(SystemExit):
        main(["apply", "--reference", "a.nii", "-o", "b.nii", "--transform", "out", "c.nii"])
    said = "required: image; --transform takes all that follows it, so put these first"
    assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["apply", "a.nii"])
    assert "takes all" not in capsys.readouterr().err


def test_inverse_of_a_registration_is_wanted_on_the_moving_grid(tmp_path, pair, capsys):
    _, folder, _ = pair
    for text, grid, wrong in (
        (str(folder), "moving", "fixed"),
        (f"inverse:{folder}", "fixed", "moving"),
    ):
        command = [
            "inverse",
            "--transform",
            text,
            "-o",
            f"{tmp_path}/{grid}_i.nii.gz",
            "--reference",
        ]
        assert main([*command, f"{tmp_path}/{wrong}.nii.gz"]) == 2
        error = capsys.readouterr().err
        assert "--reference: expected the image that the transform leads to" in error
        back = f"{folder}" if text.startswith("inverse:") else f"inverse:{folder}"
        assert f"`pmrnet compose --transform {back}`" in error
        assert main([*command, f"{tmp_path}/{grid}.nii.gz"]) == 0
