import csv

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from spaces import FIXED, matrix_near_identity, oblique, smooth_field

from pmrnet.errors import InputError
from pmrnet.transforms import AffineTransform, Chain, DenseTransform, MovedPoints, move_points_file

FLIP = np.array([-1.0, -1, 1])


@pytest.fixture
def transform(rng):
    return AffineTransform(matrix_near_identity(rng, 0.2, 10))


@pytest.fixture
def points(rng):
    return rng.uniform(-60, 60, (6, 3)).round(3)


def table(path, points, delimiter=",", names=("label", "x", "y", "z", "comment")):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(names)
        for number, (x, y, z) in enumerate(points):
            writer.writerow([f"0{number}", x, y, z, f'say "{number}"{delimiter} twice'])
    return path


def rows(path, delimiter=","):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def coordinates(path, delimiter=","):
    return [[float(row[a]) for a in "xyz"] for row in rows(path, delimiter)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_table(tmp_path, transform, points, delimiter):
    source = table(tmp_path / "a.csv", points, delimiter)
    before = source.read_bytes()
    told = move_points_file(transform, source, tmp_path / "b.csv")
    expected = transform.map_points(points)
    np.testing.assert_allclose(coordinates(tmp_path / "b.csv", delimiter), expected, atol=1e-6)
    old, new = rows(source, delimiter), rows(tmp_path / "b.csv", delimiter)
    for name in ("label", "comment"):
        assert [row[name] for row in new] == [row[name] for row in old]
    largest = np.linalg.norm(expected - points, axis=1).max()
    assert told == MovedPoints(6, pytest.approx(largest), None)
    assert source.read_bytes() == before


def test_points_outside_of_a_field_are_counted(rng, tmp_path):
    affine = oblique(rng, (1.5, 0.8, 2), FIXED)
    field = DenseTransform(np.zeros((*FIXED, 3)), affine)
    ends = np.array(FIXED) - 1.0
    index = [
        [-0.4, 0, 0],
        ends + 0.4,
        ends / 2,
        ends + np.array([0, 0.6, 0]),
        [-0.6, 3, 3],
        [900, 2000, 3000],
    ]
    source = table(tmp_path / "a.csv", nib.affines.apply_affine(affine, index))
    far = AffineTransform(nib.affines.from_matvec(np.eye(3), (500, 0, 0)))
    for number, (transform, expected) in enumerate(
        [
            (field, 3),
            (far, 0),  # has no grid
            (Chain([far.inverse(), far, field]), 3),
            (Chain([far, field]), 6),
        ]
    ):
        told = move_points_file(transform, source, tmp_path / f"{number}.csv")
        assert (told.count, told.outside) == (6, expected)


def test_table_in_lps_as_ants_moves_it(tmp_path, rng, points):
    """ITK moves the same numbers by the same file."""
    field = smooth_field(rng, FIXED, oblique(rng, (9, 8, 10), FIXED), peak_mm=9)
    vectors = np.ascontiguousarray((field.displacement * FLIP).transpose(2, 1, 0, 3), float)
    image = sitk.GetImageFromArray(vectors, isVector=True)
    sizes = np.linalg.norm(field.affine[:3, :3], axis=0)
    image.SetSpacing(sizes.tolist())
    image.SetOrigin((field.affine[:3, 3] * FLIP).tolist())
    image.SetDirection((np.diag(FLIP) @ field.affine[:3, :3] / sizes).ravel().tolist())
    itk = sitk.DisplacementFieldTransform(image)
    source = table(tmp_path / "a.csv", points)
    move_points_file(field, source, tmp_path / "b.csv", lps=True)
    expected = [itk.TransformPoint(p.tolist()) for p in points]
    np.testing.assert_allclose(coordinates(tmp_path / "b.csv"), expected, atol=1e-4)
    move_points_file(field, source, tmp_path / "c.csv")
    assert np.abs(np.subtract(coordinates(tmp_path / "c.csv"), expected)).max() > 0.5


def test_names_of_columns_in_any_case_and_a_byte_order_mark(tmp_path, transform):
    (tmp_path / "a.tsv").write_text("\ufeffX\t Y\tZ\r\n1\t2\t3\r\n\r\n", encoding="utf-8")
    move_points_file(transform, tmp_path / "a.tsv", tmp_path / "b.tsv")
    lines = (tmp_path / "b.tsv").read_bytes().decode().split("\n")
    expected = transform.map_points([[1, 2, 3]])[0]
    assert lines == ["X\t Y\tZ", "\t".join(f"{v:.6f}" for v in expected), ""]


def test_empty_lines_of_a_spreadsheet_are_left_out(tmp_path, transform):
    source = tmp_path / "in.csv"
    source.write_text("x;y;z\n1;2;3\n;;\n4;5;6\n ; ;\n\n;;\n")
    assert move_points_file(transform, source, tmp_path / "out.csv").count == 2
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_table_without_rows(tmp_path, transform):
    (tmp_path / "a.csv").write_text("x,y,z\n")
    assert move_points_file(transform, tmp_path / "a.csv", tmp_path / "b.csv").count == 0
    assert (tmp_path / "b.csv").read_text() == "x,y,z\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found 'an empty file'"),
        ("x,y\n1,2\n", "each of the columns x, y and z once, found 'x,y'"),
        ("x,y,z,x\n1,2,3,4\n", "found 'x,y,z,x'"),
        ("x,y,z\n1,2,3\n1,2\n", "line 3: expected 3 cells as in the first line, found 2"),
        ("x,y,z\n1,2,three\n", "line 2: expected three finite numbers.*found 1, 2, three"),
        ("x,y,z\n1,2,nan\n", "line 2: expected three finite numbers"),
    ],
)
def test_unusable_tables(tmp_path, transform, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        move_points_file(transform, tmp_path / "a.csv", tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()


def test_a_table_that_is_not_text(tmp_path, transform):
    (tmp_path / "a.csv").write_bytes(b"x,y,z\n\xff\xfe,1,2\n")
    with pytest.raises(InputError, match=r"a\.csv: expected a table of points in UTF-8"):
        move_points_file(transform, tmp_path / "a.csv", tmp_path / "b.csv")


def surface(path, points, matrix=None, meta=None, dataspace="unknown", target="scanner"):
    array = nib.gifti.GiftiDataArray(
        points.astype(np.float32),
        intent="NIFTI_INTENT_POINTSET",
        datatype="NIFTI_TYPE_FLOAT32",
        coordsys=nib.gifti.GiftiCoordSystem(
            nib.nifti1.xform_codes[dataspace],
            nib.nifti1.xform_codes[target],
            np.eye(4) if matrix is None else matrix,
        ),
        meta=nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft"} | (meta or {})),
    )
    triangles = nib.gifti.GiftiDataArray(
        np.array([[0, 1, 2], [2, 3, 4], [3, 4, 5]], np.int32),
        intent="NIFTI_INTENT_TRIANGLE",
        datatype="NIFTI_TYPE_INT32",
    )
    nib.save(nib.GiftiImage(darrays=[array, triangles]), path)
    return path


def test_surface(tmp_path, transform, points):
    source = surface(tmp_path / "a.surf.gii", points)
    told = move_points_file(transform, source, tmp_path / "b.surf.gii")
    new = nib.load(tmp_path / "b.surf.gii")
    np.testing.assert_allclose(new.darrays[0].data, transform.map_points(points), atol=1e-4)
    np.testing.assert_array_equal(new.darrays[1].data, nib.load(source).darrays[1].data)
    assert new.darrays[0].data.dtype == np.float32
    assert new.darrays[0].meta["AnatomicalStructurePrimary"] == "CortexLeft"
    assert told.count == 6
    assert told.assumed is None


def test_matrix_of_the_surface_is_honoured(tmp_path, transform, points, rng):
    matrix = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, 0.2, 0.1), (5, -20, 12))
    source = surface(tmp_path / "a.surf.gii", points, matrix, {"VolGeomC_R": "5"})
    told = move_points_file(transform, source, tmp_path / "b.surf.gii")
    array = nib.load(tmp_path / "b.surf.gii").darrays[0]
    expected = transform.map_points(nib.affines.apply_affine(matrix, points))
    np.testing.assert_allclose(
        nib.affines.apply_affine(array.coordsys.xform, array.data), expected, atol=1e-4
    )
    np.testing.assert_array_equal(array.coordsys.xform, np.eye(4))
    assert array.coordsys.dataspace == nib.nifti1.xform_codes["scanner"]
    assert "VolGeomC_R" not in array.meta
    assert told.assumed is None


@pytest.mark.parametrize(
    ("dataspace", "target", "applied", "assumed"),
    [
        ("unknown", "scanner", True, False),
        ("unknown", "aligned", True, False),
        # FreeSurfer's --to-scanner: the matrix leads back from there.
        ("scanner", "unknown", False, False),
        # FreeSurfer before 2023.
        ("unknown", "talairach", False, True),
        ("talairach", "talairach", False, True),
    ],
)
def test_matrix_counts_where_it_leads_to_the_volume(
    tmp_path, transform, points, dataspace, target, applied, assumed
):
    matrix = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.3, 0.2, 0.1), (5, -20, 12))
    spaces = {"dataspace": dataspace, "target": target}
    source = surface(tmp_path / "a.surf.gii", points, matrix, **spaces)
    told = move_points_file(transform, source, tmp_path / "b.surf.gii")
    start = nib.affines.apply_affine(matrix, points) if applied else points
    new = nib.load(tmp_path / "b.surf.gii").darrays[0].data
    np.testing.assert_allclose(new, transform.map_points(start), atol=1e-4)
    assert (told.assumed is not None) == assumed


def test_freesurfers_own_coordinates_are_told(tmp_path, transform, points):
    meta = {"VolGeomC_R": "5.0", "VolGeomC_A": "0", "VolGeomC_S": "-18"}
    source = surface(tmp_path / "a.surf.gii", points, meta=meta)
    assert "--to-scanner" in move_points_file(transform, source, tmp_path / "b.gii").assumed
    source = surface(tmp_path / "c.surf.gii", points, meta=meta, dataspace="scanner")
    assert move_points_file(transform, source, tmp_path / "d.gii").assumed is None


def test_unusable_surfaces(tmp_path, transform, points):
    with pytest.raises(InputError, match="expected coordinates in RAS"):
        move_points_file(
            transform, surface(tmp_path / "a.gii", points), tmp_path / "b.gii", lps=True
        )
    data = nib.gifti.GiftiDataArray(np.zeros(6, np.float32), intent="NIFTI_INTENT_SHAPE")
    nib.save(nib.GiftiImage(darrays=[data]), tmp_path / "thickness.shape.gii")
    with pytest.raises(InputError, match="expected one set of vertices, found 0"):
        move_points_file(transform, tmp_path / "thickness.shape.gii", tmp_path / "b.gii")
    points[2, 1] = np.nan
    with pytest.raises(InputError, match="expected finite vertices"):
        move_points_file(transform, surface(tmp_path / "n.gii", points), tmp_path / "b.gii")
    content = (tmp_path / "a.gii").read_bytes()
    for kept in (0, len(content) // 2):
        (tmp_path / "cut.gii").write_bytes(content[:kept])
        with pytest.raises(InputError, match=r"cut\.gii: expected a GIFTI surface"):
            move_points_file(transform, tmp_path / "cut.gii", tmp_path / "b.gii")
    assert not (tmp_path / "b.gii").exists()


def vtk(path, points, binary, kind="float", title="made by hand"):
    """Poly data with triangles and an array of scalars after the points."""
    types = {"float": ">f4", "double": ">f8"}
    head = f"# vtk DataFile Version 3.0\n{title}\n{'BINARY' if binary else 'ASCII'}\n"
    head += f"DATASET POLYDATA\nPOINTS {len(points)} {kind}\n"
    polygons = np.array([[3, 0, 1, 2], [3, 2, 3, 4]])
    scalars = np.arange(len(points)) / 4
    parts = [
        (points, types[kind], ""),
        (polygons, ">i4", "POLYGONS 2 8\n"),
        (scalars, ">f4", f"POINT_DATA {len(points)}\nSCALARS s float 1\nLOOKUP_TABLE default\n"),
    ]
    content = head.encode()
    for values, dtype, line in parts:
        content += line.encode()
        if binary:
            content += np.asarray(values).astype(dtype).tobytes() + b"\n"
        else:
            content += (" ".join(str(v) for v in np.ravel(values)) + " \n").encode()
    path.write_bytes(content)
    return path, content


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("binary", [True, False])
def test_vtk(tmp_path, transform, points, binary, kind):
    source, before = vtk(tmp_path / "a.vtk", points, binary, kind)
    move_points_file(transform, source, tmp_path / "b.vtk")
    after = (tmp_path / "b.vtk").read_bytes()
    # Moved back nothing but the rounding of the points is left.
    move_points_file(transform.inverse(), tmp_path / "b.vtk", tmp_path / "c.vtk")
    expected = transform.map_points(points)
    marks = f"POINTS 6 {kind}\n".encode(), b"POLYGONS 2 8\n"
    blocks = [c.split(marks[0])[1].split(marks[1])[0] for c in (before, after)]
    assert [c.replace(b, b"", 1) for c, b in zip((before, after), blocks, strict=True)] == [
        before.replace(blocks[0], b"", 1)
    ] * 2
    if binary:
        found = np.frombuffer(blocks[1][:-1], ">f4" if kind == "float" else ">f8").reshape(-1, 3)
    else:
        found = np.array(blocks[1].split(), float).reshape(-1, 3)
    np.testing.assert_allclose(found, expected, atol=1e-4 if kind == "float" else 1e-9)


def test_space_that_slicer_notes(tmp_path, transform, points):
    expected = transform.map_points(points * FLIP) * FLIP
    for title, lps in (("vtk output SPACE=LPS", False), ("x", True), ("SPACE=LPS", True)):
        source, _ = vtk(tmp_path / "a.vtk", points, False, "double", title)
        told = move_points_file(transform, source, tmp_path / "b.vtk", lps=lps, overwrite=True)
        lines = (tmp_path / "b.vtk").read_text().split("double\n")[1].split("POLYGONS")[0].split()
        np.testing.assert_allclose(np.reshape(lines, (-1, 3)).astype(float), expected, atol=1e-9)
        assert told.assumed is None
    source, _ = vtk(tmp_path / "a.vtk", points, False, title="SPACE=RAS")
    assert move_points_file(transform, source, tmp_path / "r.vtk").assumed is None
    with pytest.raises(InputError, match="the file says SPACE=RAS"):
        move_points_file(transform, source, tmp_path / "s.vtk", lps=True)
    source, _ = vtk(tmp_path / "a.vtk", points, False)
    assert "RAS" in move_points_file(transform, source, tmp_path / "t.vtk").assumed


@pytest.mark.parametrize("binary", [True, False])
def test_unusable_vtk(tmp_path, transform, points, binary):
    source, content = vtk(tmp_path / "a.vtk", points, binary)
    for kept in (0, 20, content.index(b"POINTS"), content.index(b"float\n") + 20):
        source.write_bytes(content[:kept])
        with pytest.raises(InputError, match=r"a\.vtk: expected"):
            move_points_file(transform, source, tmp_path / "b.vtk")
    source.write_bytes(content.replace(b"POINTS 6 float", b"POINTS 6 int"))
    with pytest.raises(InputError, match="no list of points of type float or double"):
        move_points_file(transform, source, tmp_path / "b.vtk")
    points[1, 1] = np.inf
    vtk(source, points, binary)
    with pytest.raises(InputError, match="expected finite points"):
        move_points_file(transform, source, tmp_path / "b.vtk")
    assert not (tmp_path / "b.vtk").exists()


def test_vtk_without_points(tmp_path, transform):
    for binary in (True, False):
        content = b"# vtk DataFile Version 3.0\nx\n" + (b"BINARY" if binary else b"ASCII")
        content += b"\nDATASET POLYDATA\nPOINTS 0 float\nPOLYGONS 0 0\n"
        (tmp_path / "a.vtk").write_bytes(content)
        told = move_points_file(transform, tmp_path / "a.vtk", tmp_path / "b.vtk", overwrite=True)
        assert told.count == 0
        assert (tmp_path / "b.vtk").read_bytes() == content


def test_files_are_not_mixed_up(tmp_path, transform, points):
    source = table(tmp_path / "a.csv", points)
    with pytest.raises(InputError, match=r"expected points in a file ending in .*found \.ply"):
        move_points_file(transform, tmp_path / "a.ply", tmp_path / "b.ply")
    with pytest.raises(InputError, match=r"b\.gii: expected a name ending in \.csv"):
        move_points_file(transform, source, tmp_path / "b.gii")
    for overwrite in (True, False):
        with pytest.raises(InputError, match=r"a\.csv: .*input and output are the same one"):
            move_points_file(transform, source, source, overwrite=overwrite)
    (tmp_path / "b.csv").write_text("precious")
    with pytest.raises(InputError, match="expected a new file"):
        move_points_file(transform, source, tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == "precious"
    move_points_file(transform, source, tmp_path / "b.csv", overwrite=True)
    np.testing.assert_allclose(
        coordinates(tmp_path / "b.csv"), transform.map_points(points), atol=1e-6
    )
    with pytest.raises(InputError, match="no such file"):
        move_points_file(transform, tmp_path / "no.csv", tmp_path / "c.csv")


def test_points_beyond_a_field_take_its_edge(tmp_path):
    field = DenseTransform(np.full((3, 4, 5, 3), 2.0), np.eye(4))
    (tmp_path / "a.csv").write_text("x,y,z\n100,100,100\n")
    move_points_file(field, tmp_path / "a.csv", tmp_path / "b.csv")
    assert coordinates(tmp_path / "b.csv") == [[102, 102, 102]]
