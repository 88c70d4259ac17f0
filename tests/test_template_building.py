"""A template of brains: its shape is the mean of theirs, and what was done is not done again."""

import json
import shutil
from io import StringIO
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from filelock import FileLock
from keras import ops
from rich.console import Console
from scipy import ndimage

from fake_strippers import Stripper, put_in_a_head
from pmrnet import network_field, spatial, template_building
from pmrnet.cli import main
from pmrnet.data import alignment
from pmrnet.data.template import network_grid
from pmrnet.errors import InputError
from pmrnet.folder_lock import LOCK
from pmrnet.network_field import FieldModel
from pmrnet.template_building import build_template
from pmrnet.template_subjects import TemplateSubject, list_subjects
from pmrnet.transforms import read

SHAPE = (32, 40, 36)
GRID = network_grid(1, SHAPE)
# A subject's grid, oblique and of another axis order, and its place relative to the template.
NATIVE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.1, -0.05, 0.08) @ np.array([[0, -1.1, 0], [0.9, 0, 0], [0, 0, 1]]),
    (24, -40, -18),
)
NATIVE_SHAPE = (50, 48, 60)
TO_SUBJECT = nib.affines.from_matvec(np.eye(3) + 0.03, (1.0, -0.5, 2.0))
# Centres of the brains on the network grid, voxels. Half of them are in one place: the first mean
# is the brain that these make, whose centre is not the mean of the centres.
CENTRES = np.array([[14.0, 20, 18], [14, 20, 18], [14, 20, 18], [19, 17.5, 22], [18, 22, 17]])


def centroid(image):
    weights = np.asarray(image) > 0
    return np.argwhere(weights).mean(axis=0)


class Shifting:
    """A network that finds how far apart the centres of two brains are."""

    multiple = 2
    has_velocity = True

    def __init__(self):
        self.calls, self.raise_at = 0, None

    def mean_of(self, x):
        self.calls += 1
        if self.calls == self.raise_at:
            raise KeyboardInterrupt
        moving, fixed = (x[role][0, ..., 0] for role in ("moving", "fixed"))
        # In voxels of the velocity's grid, half that of the images.
        shift = (self.place(moving) - self.place(fixed)) / 2
        grid = tuple(n // 2 for n in moving.shape)
        return np.broadcast_to(shift, (1, *grid, 3)).astype(np.float32)

    @staticmethod
    def place(image):
        # Of a level set that the interpolation of outlines hardly moves.
        return np.array(ndimage.center_of_mass(image > 0.25))

    def displacement_of(self, velocity):
        return spatial.upsample_field(spatial.integrate(velocity, 7))


class Waving(Shifting):
    """A network whose velocities are smooth, large and know nothing of the images' places."""

    def mean_of(self, x):
        moving = x["moving"][0, ..., 0]
        seed = int(1000 * moving.sum()) % 1000
        grid = tuple(n // 2 for n in moving.shape)
        noise = np.random.default_rng(seed).normal(size=(*grid, 3))
        field = ndimage.gaussian_filter(noise, (2, 2, 2, 0))
        # A part that all have in common, else the mean velocity would be next to nothing.
        shared = np.random.default_rng(5).normal(size=noise.shape)
        common = ndimage.gaussian_filter(shared, (2, 2, 2, 0))
        field = field / np.abs(field).max() + common / np.abs(common).max()
        return (0.7 * field)[None].astype(np.float32)


@pytest.fixture
def network(monkeypatch):
    """Put a stand-in in the place of the network, and a known matrix in that of the alignment."""

    def use(stand_in):
        model = FieldModel(
            stand_in,
            {
                "network": {"type": "pmrnet"},
                "spacing": 2,
                "weights": "x.weights.h5",
                "sha256": "5" * 64,
            },
        )
        model.posterior = SimpleNamespace(
            share=lambda moving, fixed: {"moving": moving, "fixed": fixed},
            mean=lambda x: ops.convert_to_tensor(stand_in.mean_of(x)),
        )
        monkeypatch.setattr(network_field, "load_field_model", lambda *_, **__: model)
        return model

    monkeypatch.setattr(alignment, "estimate_affine", lambda *_, **__: TO_SUBJECT)
    return use


def brain_at(centre, radius=7.5):
    """Ball with a core on the native grid, at a place given in voxels of the network grid."""
    matrix = np.linalg.inv(GRID.affine) @ np.linalg.inv(TO_SUBJECT) @ NATIVE
    points = nib.affines.apply_affine(matrix, np.moveaxis(np.indices(NATIVE_SHAPE), 0, -1))
    distance = np.linalg.norm(points - centre, axis=-1)
    return np.where(distance < radius, 1000 + 60 * (radius - distance), 0).astype(np.float32)


@pytest.fixture(scope="module")
def brains(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subjects")
    for number, centre in enumerate(CENTRES):
        nib.save(nib.Nifti1Image(brain_at(centre), NATIVE), folder / f"S{number}.nii.gz")
    return folder


def build(brains, out, count=5, **options):
    subjects = list_subjects([brains / f"S{n}.nii.gz" for n in range(count)])
    quiet = Console(file=StringIO(), width=300)
    return build_template(subjects, out, shape=SHAPE, console=quiet, **options)


def test_the_shape_is_the_mean_of_the_shapes(brains, tmp_path, network):
    model = network(Shifting())
    out = build(brains, tmp_path / "out", iterations=3)
    record = json.loads((out / "template.json").read_text())
    image = nib.load(out / "template.nii.gz")
    data = np.asarray(image.dataobj)
    np.testing.assert_allclose(image.affine, GRID.affine)
    assert data.shape == SHAPE
    assert data.dtype == np.float32
    assert 0 <= data.min() < data.max() <= 1
    mean = CENTRES.mean(axis=0)
    assert np.linalg.norm(mean - CENTRES[0]) > 1.5  # where the first mean was
    np.testing.assert_allclose(centroid(data), mean, atol=0.35)
    bias = [figures["bias_mean_mm"] for figures in record["figures"]]
    assert bias[0] > 1.5
    assert max(bias[1:]) < 0.4
    lengths = np.linalg.norm(CENTRES - mean, axis=1)
    assert record["figures"][-1]["displacement_mean_mm"] == pytest.approx(lengths.mean(), abs=0.4)
    assert record["figures"][-1]["spread"] < 0.7 * record["spread_affine"]
    assert model.network.calls == 3 * len(CENTRES)
    assert sorted(record["subjects"]) == [f"S{n}" for n in range(len(CENTRES))]
    assert record["provenance"]["weights_sha256"] == "5" * 64
    assert sorted(p.name for p in out.iterdir()) == ["subjects", "template.json", "template.nii.gz"]


def test_transforms_lead_to_the_brains_and_back(brains, tmp_path, network):
    network(Shifting())
    out = build(brains, tmp_path / "out", iterations=3)
    centre = nib.affines.apply_affine(GRID.affine, CENTRES.mean(axis=0))[None]
    for number, own in enumerate(CENTRES):
        folder = out / "subjects" / f"S{number}"
        forward, inverse = (read(folder / f"{k}.nii.gz") for k in ("forward", "inverse"))
        on_brain = nib.affines.apply_affine(TO_SUBJECT @ GRID.affine, own)[None]
        np.testing.assert_allclose(forward.map_points(centre), on_brain, atol=0.4)
        np.testing.assert_allclose(inverse.map_points(on_brain), centre, atol=0.4)
        assert forward.shape == SHAPE
        assert inverse.shape == NATIVE_SHAPE


def test_transforms_are_inverses_where_velocities_do_not_commute(brains, tmp_path, network):
    network(Waving())
    out = build(brains, tmp_path / "out", iterations=1)
    indices = np.random.default_rng(0).uniform(10, 24, (300, 3))
    points = nib.affines.apply_affine(GRID.affine, indices)
    moved = []
    for number in range(len(CENTRES)):
        folder = out / "subjects" / f"S{number}"
        forward, inverse = (read(folder / f"{k}.nii.gz") for k in ("forward", "inverse"))
        moved.append(forward.map_points(points))
        error = np.linalg.norm(inverse.map_points(moved[-1]) - points, axis=1)
        assert error.mean() < 0.05
        assert error.max() < 0.3
    # Not by being small, nor alike.
    assert np.linalg.norm(moved[0] - moved[3], axis=1).max() > 1


def test_the_template_is_the_mean_of_the_brains_moved_by_their_transforms(
    brains, tmp_path, network
):
    network(Waving())
    out = build(brains, tmp_path / "out", iterations=1)
    template = np.asarray(nib.load(out / "template.nii.gz").dataobj)
    points = nib.affines.apply_affine(GRID.affine, np.indices(SHAPE).reshape(3, -1).T)
    total = np.zeros(SHAPE)
    for number in range(len(CENTRES)):
        native = np.asarray(nib.load(brains / f"S{number}.nii.gz").dataobj)
        forward = read(out / "subjects" / f"S{number}" / "forward.nii.gz")
        at = nib.affines.apply_affine(np.linalg.inv(NATIVE), forward.map_points(points)).T
        total += ndimage.map_coordinates(native, at, order=1).reshape(SHAPE)
    inside = template > 0
    assert np.corrcoef(total[inside], template[inside])[0, 1] > 0.85
    outside = ndimage.binary_dilation(inside, iterations=3)
    assert total[~outside].max() < 0.5 * total.max()


@pytest.mark.parametrize("at", [2, 5])
def test_interrupted_and_started_again(brains, tmp_path, network, at):
    whole = network(Shifting())
    expected = build(brains, tmp_path / "whole", count=3, iterations=2)
    stopped = network(Shifting())
    stopped.network.raise_at = at
    with pytest.raises(KeyboardInterrupt):
        build(brains, tmp_path / "out", count=3, iterations=2)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".work"]
    out = build(brains, tmp_path / "out", count=3, iterations=2)
    assert stopped.network.calls == whole.network.calls + 1  # the call that was interrupted
    for path in ("template.nii.gz", "subjects/S1/forward.nii.gz", "subjects/S2/inverse.nii.gz"):
        one, other = (np.asarray(nib.load(root / path).dataobj) for root in (expected, out))
        np.testing.assert_array_equal(one, other)


def test_passes_are_part_of_what_a_template_is(brains, tmp_path, network, monkeypatch):
    model, asked = network(Shifting()), []

    def load(*_, passes):
        asked.append(passes)
        model.description["network"]["passes"] = passes
        return model

    monkeypatch.setattr(network_field, "load_field_model", load)
    out = build(brains, tmp_path / "out", count=2, iterations=1, passes=4)
    assert json.loads((out / "template.json").read_text())["identity"]["passes"] == 4
    calls = model.network.calls
    build(brains, out, count=2, iterations=1, passes=4)
    assert model.network.calls == calls
    with pytest.raises(InputError, match="--overwrite"):
        build(brains, out, count=2, iterations=1, passes=3)
    assert asked == [4, 4, 3]
    images = [str(brains / f"S{n}.nii.gz") for n in range(2)]
    assert main(["template", *images, "-o", str(out), "--passes", "many"]) == 2
    assert asked == [4, 4, 3]
    assert main(["template", *images, "-o", str(out), "--passes", "1+5"]) == 2  # another one
    assert asked[-1] == "1+5"


def test_stopped_while_writing_results(brains, tmp_path, network, monkeypatch):
    model = network(Shifting())
    monkeypatch.setattr(template_building, "save_image", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build(brains, tmp_path / "out", count=2, iterations=1)
    assert not (tmp_path / "out" / "template.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr(network_field, "load_field_model", lambda *_, **__: model)
    build(brains, tmp_path / "out", count=2, iterations=1)
    assert model.network.calls == 2
    assert (tmp_path / "out" / "subjects" / "S1" / "inverse.nii.gz").is_file()


def test_fewer_iterations_than_were_begun(brains, tmp_path, network):
    model = network(Shifting())
    model.network.raise_at = 6  # in the third iteration
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        build(brains, out, count=2, iterations=4)
    with pytest.raises(InputError, match=r"expected 3 iterations or more.*--overwrite"):
        build(brains, out, count=2, iterations=2)
    build(brains, out, count=2, iterations=2, overwrite=True)
    assert json.loads((out / "template.json").read_text())["iterations"] == 2


def test_done_is_done_and_others_are_not_replaced_silently(brains, tmp_path, network):
    model = network(Shifting())
    out = build(brains, tmp_path / "out", count=2, iterations=1)
    before = (out / "template.nii.gz").stat().st_mtime_ns
    build(brains, out, count=2, iterations=1)
    assert model.network.calls == 2
    with pytest.raises(InputError, match=r"template of other brains.*--overwrite"):
        build(brains, out, count=3, iterations=1)
    with pytest.raises(InputError, match="--overwrite"):
        build(brains, out, count=2, iterations=2)
    assert (out / "template.nii.gz").stat().st_mtime_ns == before
    build(brains, out, count=3, iterations=1, overwrite=True)
    assert len(json.loads((out / "template.json").read_text())["subjects"]) == 3
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").touch()
    with pytest.raises(InputError, match="found other files"):
        build(brains, other, count=2, overwrite=True)
    with pytest.raises(InputError, match="Iterations: expected 1 or more"):
        build(brains, tmp_path / "new", count=2, iterations=0)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_kill_while_the_work_is_removed_spoils_nothing(
    brains, tmp_path, network, monkeypatch, overwrite
):
    """What is left then is of nobody: no leave to replace the template, and not gone on from."""
    model = network(Shifting())
    out = tmp_path / "out"

    def killed(path, **_):
        if path.name == template_building.WORK:
            for file in path.rglob("*.npy"):
                file.unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(template_building.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            build(brains, out, count=2, iterations=1)
    assert (out / "template.json").is_file()
    assert (out / ".work").is_dir()
    if not overwrite:
        with pytest.raises(InputError, match=r"template of other brains.*--overwrite"):
            build(brains, out, count=2, iterations=2)
        calls = model.network.calls
        build(brains, out, count=2, iterations=1)  # it is there already
        assert model.network.calls == calls
    else:
        build(brains, out, count=2, iterations=2, overwrite=True)
        assert json.loads((out / "template.json").read_text())["iterations"] == 2
    assert not (out / ".work").exists()


def test_heads_are_stripped(brains, tmp_path, network, monkeypatch):
    network(Shifting())
    folder = shutil.copytree(brains, tmp_path / "heads")
    plain = build(folder, tmp_path / "plain", count=2, iterations=1)
    put_in_a_head(folder / "S0.nii.gz")
    tool = Stripper(tmp_path / "bin", monkeypatch)
    with pytest.raises(InputError, match="say --strip"):
        build(folder, tmp_path / "out", count=2, iterations=1)
    out = build(folder, tmp_path / "out", count=2, iterations=1, strip=True)
    assert tool.uses == 1
    subjects = json.loads((out / "template.json").read_text())["subjects"]
    assert subjects["S0"]["stripped"] == {"tool": "mri_synthstrip", "version": "unknown"}
    assert "stripped" not in subjects["S1"]
    one, other = (np.asarray(nib.load(p / "template.nii.gz").dataobj) for p in (plain, out))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_command_strips(brains, tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        template_building, "build_template", lambda *_, **options: asked.update(options) or _[1]
    )
    images = [str(brains / f"S{number}.nii.gz") for number in (0, 1)]
    assert main(["template", *images, "-o", str(tmp_path / "out"), "--strip"]) == 0
    assert asked["strip"] is True


def test_what_is_somebody_elses_stays(brains, tmp_path, network):
    network(Shifting())
    out = build(brains, tmp_path / "out", count=3, iterations=1)
    mine = [out / "subjects" / "S2" / "labels.nii.gz", out / "subjects" / "raw" / "forward.nii.gz"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    build(brains, out, count=2, iterations=1, overwrite=True)
    assert [path.read_text() for path in mine] == ["mine", "mine"]
    assert sorted(p.name for p in (out / "subjects").iterdir()) == ["S0", "S1", "S2", "raw"]
    assert sorted(p.name for p in (out / "subjects" / "S2").iterdir()) == ["labels.nii.gz"]


@pytest.mark.parametrize("text", ['{"Name": "mine"}', "[1, 2]", "no JSON"])
def test_a_file_that_is_called_as_a_record_is_none(brains, tmp_path, network, text):
    network(Shifting())
    (tmp_path / "template.json").write_text(text)
    with pytest.raises(InputError, match="found other files"):
        build(brains, tmp_path, count=2, iterations=1, overwrite=True)
    assert (tmp_path / "template.json").read_text() == text


def test_lists_of_subjects(brains, tmp_path):
    for name in ("P1", "P2"):
        (tmp_path / name).mkdir()
        shutil.copy(brains / "S0.nii.gz", tmp_path / name / "t1.nii.gz")
    (tmp_path / "list.txt").write_text("# mine\nP2/t1.nii.gz\n\nP1/t1.nii.gz\n")
    images = [tmp_path / name / "t1.nii.gz" for name in ("P1", "P2")]
    expected = [TemplateSubject(f"P{n}_t1", images[n - 1]) for n in (1, 2)]
    assert list_subjects([tmp_path / "list.txt"]) == list_subjects(images) == expected
    (tmp_path / "list.csv").write_text(
        "name,image,mask\none,P1/t1.nii.gz,P2/t1.nii.gz\ntwo,P2/t1.nii.gz,\n"
    )
    # FreeSurfer's: as many folders as it takes.
    for name in ("s1", "s2"):
        (tmp_path / name / "mri").mkdir(parents=True)
        shutil.copy(brains / "S0.nii.gz", tmp_path / name / "mri" / "brain.nii.gz")
    files = [tmp_path / name / "mri" / "brain.nii.gz" for name in ("s1", "s2")]
    names = [subject.name for subject in list_subjects([*files, images[0]])]
    assert names == ["s1_mri_brain", "s2_mri_brain", "t1"]
    assert list_subjects([tmp_path / "list.csv"]) == [
        TemplateSubject("one", images[0], images[1]),
        TemplateSubject("two", images[1]),
    ]


@pytest.mark.parametrize(
    ("given_names", "sentence"),
    [
        (["S0.nii.gz"], "expected two brains or more, found 1"),
        (["S0.nii.gz", "S0.nii.gz"], "name of its own"),
        (["S0.nii.gz", "none.nii.gz"], r"none\.nii\.gz: expected an image file, found none"),
        (["none.txt"], "expected a list of files"),
        (["none.csv"], "expected a CSV file"),
    ],
)
def test_bad_subjects_are_one_sentence(brains, tmp_path, given_names, sentence, capsys):
    paths = [brains / name for name in given_names]
    with pytest.raises(InputError, match=sentence):
        list_subjects(paths)
    assert main(["template", *map(str, paths), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_two_at_once_in_one_folder(brains, tmp_path, network):
    network(Shifting())
    out = tmp_path / "out"
    out.mkdir()
    for overwrite in (False, True):
        with FileLock(out / LOCK), pytest.raises(InputError, match="no other template building"):
            build(brains, out, count=2, iterations=1, overwrite=overwrite)
        assert [p.name for p in out.iterdir()] == [LOCK]
    build(brains, out, count=2, iterations=1)  # the lock's file is nobody else's
    assert not (out / LOCK).exists()


@pytest.mark.slow
@pytest.mark.data
def test_two_real_brains(data_path, tmp_path):
    images = [
        data_path / "lpba40" / s / f"{s}.delineation.skullstripped.nii.gz" for s in ("S31", "S32")
    ]
    if not all(path.is_file() for path in images):
        pytest.skip(f"no LPBA40 volumes in {data_path}")
    out = tmp_path / "out"
    assert main(["template", *map(str, images), "-o", str(out), "--iterations", "2"]) == 0
    record = json.loads((out / "template.json").read_text())
    first, last = record["figures"]
    assert last["bias_mean_mm"] < first["bias_mean_mm"] + 0.05
    assert last["spread"] < record["spread_affine"]
    for name in record["subjects"]:
        forward, inverse = (
            read(out / "subjects" / name / f"{kind}.nii.gz") for kind in ("forward", "inverse")
        )
        points = np.random.default_rng(0).uniform((-50, -80, -30), (50, 50, 60), (500, 3))
        back = inverse.map_points(forward.map_points(points))
        assert np.linalg.norm(back - points, axis=1).mean() < 0.2
