import numpy as np
import pytest
import SimpleITK as sitk
from spaces import FIXED, matrix_near_identity, oblique, smooth_field

from pmrnet.errors import InputError
from pmrnet.transforms import AffineTransform, Chain, DenseTransform, read, write
from pmrnet.transforms.itk_file import write_itk_affine

FLIP = np.array([-1.0, -1, 1])


def itk_points(transform, at):
    """Points in RAS moved by an ITK transform."""
    return np.array([np.array(transform.TransformPoint((p * FLIP).tolist())) * FLIP for p in at])


def linear(rng):
    """One of each linear transform of ITK, none with its centre at the origin."""
    centre, shift = rng.uniform(-20, 20, 3).tolist(), rng.uniform(-5, 5, 3).tolist()
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(matrix_near_identity(rng)[:3, :3].ravel().tolist())
    euler = sitk.Euler3DTransform(centre, 0.2, -0.1, 0.3, shift)
    versor = sitk.VersorRigid3DTransform((0.6, 0, 0.8), 0.4, shift, centre)
    similarity = sitk.Similarity3DTransform(1.2, (0.6, 0, 0.8), 0.4, shift, centre)
    affine.SetTranslation(shift)
    affine.SetCenter(centre)
    return [affine, euler, versor, similarity, sitk.TranslationTransform(3, shift)]


@pytest.mark.parametrize("ending", [".mat", ".txt", ".tfm", ".h5"])
def test_linear_transforms_of_itk(rng, tmp_path, ending):
    at = rng.uniform(-100, 100, (20, 3))
    for number, transform in enumerate(linear(rng)):
        path = tmp_path / f"{number}{ending}"
        sitk.WriteTransform(transform, str(path))
        found = read(path)
        assert isinstance(found, AffineTransform)
        np.testing.assert_allclose(found.map_points(at), itk_points(transform, at), atol=1e-6)


@pytest.mark.parametrize("ending", [".mat", ".txt", ".tfm"])
def test_affine_round_trip(rng, tmp_path, ending):
    transform = AffineTransform(matrix_near_identity(rng, 0.3, 50))
    path = write(transform, tmp_path / f"a{ending}")
    np.testing.assert_allclose(read(path).matrix, transform.matrix, atol=1e-6)
    at = rng.uniform(-100, 100, (20, 3))
    itk = sitk.ReadTransform(str(path))
    np.testing.assert_allclose(transform.map_points(at), itk_points(itk, at), atol=1e-5)


def test_matrix_as_ants_writes_it(rng, tmp_path):
    """ANTs' own type name, with a centre of rotation."""
    (tmp_path / "a.txt").write_text(
        "#Insight Transform File V1.0\n#Transform 0\n"
        "Transform: MatrixOffsetTransformBase_double_3_3\n"
        "Parameters: 1.1 0.1 0 -0.1 0.9 0 0 0 1 4 5 6\nFixedParameters: 10 20 30\n"
    )
    matrix = np.array([[1.1, 0.1, 0], [-0.1, 0.9, 0], [0, 0, 1]])
    centre, shift, at = np.array([10, 20, 30]), np.array([4, 5, 6]), np.array([1.0, 2, 3])
    expected = (matrix @ (at * FLIP - centre) + centre + shift) * FLIP
    np.testing.assert_allclose(read(tmp_path / "a.txt").map_points([at])[0], expected)


def itk_field(field):
    vectors = np.ascontiguousarray((field.displacement * FLIP).transpose(2, 1, 0, 3), float)
    image = sitk.GetImageFromArray(vectors, isVector=True)
    sizes = np.linalg.norm(field.affine[:3, :3], axis=0)
    image.SetSpacing(sizes.tolist())
    image.SetOrigin((field.affine[:3, 3] * FLIP).tolist())
    image.SetDirection((np.diag(FLIP) @ field.affine[:3, :3] / sizes).ravel().tolist())
    return sitk.DisplacementFieldTransform(image)


def test_displacement_field_in_a_transform_file(rng, tmp_path):
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    sitk.WriteTransform(itk_field(field), str(tmp_path / "a.h5"))
    found = read(tmp_path / "a.h5")
    assert isinstance(found, DenseTransform)
    np.testing.assert_allclose(found.displacement, field.displacement, atol=1e-6)
    np.testing.assert_allclose(found.affine, field.affine, atol=1e-9)


@pytest.mark.parametrize("nested", [False, True])
def test_composite(rng, tmp_path, nested):
    """As ANTs writes it: the affine transform is added first and applied last."""
    affine, euler = linear(rng)[:2]
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    composite = sitk.CompositeTransform(3)
    composite.AddTransform(affine)
    if nested:
        inner = sitk.CompositeTransform(3)
        inner.AddTransform(euler)
        composite.AddTransform(inner)
    else:
        composite.AddTransform(euler)
    composite.AddTransform(itk_field(field))
    path = tmp_path / "a.h5"
    flat = sitk.CompositeTransform(composite)
    flat.FlattenTransform()
    sitk.WriteTransform(flat, str(path))
    found = read(path)
    assert isinstance(found, Chain)
    assert len(found.transforms) == 3
    at = rng.uniform(-3, 3, (20, 3))  # inside of the field's grid
    np.testing.assert_allclose(found.map_points(at), itk_points(composite, at), atol=1e-5)


def test_composite_of_linear_transforms_is_one_matrix(rng, tmp_path):
    composite = sitk.CompositeTransform(linear(rng)[:3])
    sitk.WriteTransform(composite, str(tmp_path / "a.h5"))
    found = read(tmp_path / "a.h5")
    assert isinstance(found, AffineTransform)
    at = rng.uniform(-100, 100, (20, 3))
    np.testing.assert_allclose(found.map_points(at), itk_points(composite, at), atol=1e-6)


def test_composite_of_one(rng, tmp_path):
    composite = sitk.CompositeTransform(3)
    field = smooth_field(rng, FIXED, oblique(rng, (1.5, 0.8, 2), FIXED))
    composite.AddTransform(itk_field(field))
    sitk.WriteTransform(composite, str(tmp_path / "a.h5"))
    assert isinstance(read(tmp_path / "a.h5"), DenseTransform)


def test_what_cannot_be_used(tmp_path):
    sitk.WriteTransform(sitk.Euler2DTransform(), str(tmp_path / "flat.tfm"))
    with pytest.raises(InputError, match=r"flat\.tfm: expected a transform of 3-D space"):
        read(tmp_path / "flat.tfm")
    spline = sitk.BSplineTransformInitializer(sitk.Image(8, 8, 8, sitk.sitkFloat32), (3, 3, 3))
    sitk.WriteTransform(spline, str(tmp_path / "spline.tfm"))
    with pytest.raises(InputError, match="found BSplineTransform; convert it"):
        read(tmp_path / "spline.tfm")
    singular = sitk.ScaleTransform(3, (1, 1, 0))
    sitk.WriteTransform(singular, str(tmp_path / "flat.mat"))
    with pytest.raises(InputError, match=r"flat\.mat: .*invertible 4x4 matrix"):
        read(tmp_path / "flat.mat")


@pytest.mark.parametrize("ending", [".mat", ".txt", ".tfm", ".h5"])
def test_damaged(rng, tmp_path, ending):
    path = tmp_path / f"a{ending}"
    sitk.WriteTransform(linear(rng)[0], str(path))
    content = path.read_bytes()
    for kept in (0, len(content) // 3, len(content) // 2, 2 * len(content) // 3):
        path.write_bytes(content[:kept])
        with pytest.raises(InputError, match=rf"a\{ending}: expected") as error:
            read(path)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="found no such file"):
        read(tmp_path / f"no{ending}")


@pytest.mark.parametrize("ending", [".mat", ".txt", ".TFM"])
def test_what_itk_does_not_write_whole_is_a_full_disk(tmp_path, monkeypatch, ending):
    """It reports nothing on a full disk, and leaves an empty file."""
    monkeypatch.setattr(sitk, "WriteTransform", lambda transform, path: None)
    with pytest.raises(InputError, match="found a full disk"):
        write(AffineTransform(np.eye(4)), tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_is_not_left_to_itk(tmp_path):
    """Of a name too long ITK would say that a file failed to open."""
    with pytest.raises(OSError, match="File name too long"):
        write_itk_affine(AffineTransform(np.eye(4)), tmp_path / f"{'a' * 300}.mat")
