"""Many pairs: what is shared is paid once, failures stay alone, and a stopped batch goes on."""

import csv
import json
import shutil
import sys
from functools import partial
from io import StringIO
from threading import Lock
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from fake_brains import template_brain
from fake_strippers import Stripper, put_in_a_head
from pmrnet import batch_pairs, brain_files, network_field, pair_job, registration_report
from pmrnet.batch_pairs import run_pairs
from pmrnet.batch_table import COLUMNS
from pmrnet.cli import main
from pmrnet.data import alignment
from pmrnet.errors import InputError
from pmrnet.refinement_settings import Refinement
from pmrnet.transforms import read

SHAPE = (32, 40, 36)
TILT = nib.eulerangles.euler2mat(0.1, -0.05, 0.15)
# Oblique grids of unlike axis orders, and what the stand-in of the affine alignment says of each.
GRIDS = {
    "a": (np.array([[-6.0, 0, 0], [0, 0, 6.5], [0, -7.0, 0]]), (75, -110, 85), (26, 27, 30)),
    "b": (np.array([[0, 0, 7.0], [-6.0, 0, 0], [0, 6.5, 0]]), (-80, 80, -70), (28, 31, 24)),
    "c": (np.diag([6.0, 7.0, 6.5]), (-80, -120, -75), (27, 30, 26)),
}
# The stand-in's alignments by the brain's voxel sizes with its axes as in RAS: shifts along x, mm.
SHIFTS = {(7.0, 6.0, 6.5): 1, (6.0, 6.5, 7.0): 2, (6.0, 7.0, 6.5): 3}
SHIFT = np.array([1.0, -2.0, 1.5], np.float32)


class CountingField:
    """A network whose answer is a shift; it counts its uses, and can be told to raise."""

    def __init__(self):
        self.description = {
            "network": {"type": "pmrnet"},
            "spacing": 2,
            "weights": "x.weights.h5",
            "sha256": "5" * 64,
        }
        self.calls, self.raise_at = 0, None

    def field(self, moving, fixed, refine=None):
        self.calls += 1
        self.refine = refine
        if self.calls == self.raise_at:
            raise KeyboardInterrupt
        u = np.broadcast_to(SHIFT, (*moving.shape, 3)).copy()
        deviation = np.full(moving.shape, 0.5, np.float32)
        return SimpleNamespace(
            displacement=u,
            inverse_displacement=-u,
            standard_deviation=lambda temperature, to_mm: deviation * temperature**0.5,
            refinement=None if refine is None else {"seconds": 0.0},
        )


@pytest.fixture
def network(monkeypatch):
    """The stand-in of the network and of the affine alignment, on a small grid."""
    model = CountingField()
    model.loads, model.alignments = 0, 0
    counting = Lock()  # two brains are aligned at once

    def load(*asked):
        model.loads += 1
        model.asked = asked
        return model

    def estimate(brain, *_, **__):
        with counting:
            model.alignments += 1
        sizes = tuple(brain.spacing.round(1).tolist())
        return nib.affines.from_matvec(np.eye(3) * 1.05, (SHIFTS[sizes], 0, -1))

    monkeypatch.setattr(network_field, "load_field_model", load)
    monkeypatch.setattr(alignment, "estimate_affine", estimate)
    # The pictures' grid, on which most of the time would go.
    coarse = partial(registration_report.display_grid, voxel=4.0)
    monkeypatch.setattr(registration_report, "display_grid", coarse)
    monkeypatch.setattr(pair_job, "align_files", partial(brain_files.align_files, shape=SHAPE))
    return model


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("brains")
    for name, (axes, origin, shape) in GRIDS.items():
        affine = nib.affines.from_matvec(TILT @ axes, origin)
        image = template_brain(affine, shape)
        nib.save(image, folder / f"{name}.nii.gz")
        data = np.asarray(image.dataobj)
        labels = (data > 300).astype(np.uint8) + (data > 600)
        nib.save(nib.Nifti1Image(labels, affine), folder / f"{name}_labels.nii.gz")
    return folder


@pytest.fixture
def folder(originals, tmp_path):
    return shutil.copytree(originals, tmp_path / "data")


def listed(folder, text):
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def table(out):
    with (out / "results.csv").open(newline="") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


def run(path, out, **options):
    """Without reports, quietly; returns the number of failures and what was printed."""
    console = Console(file=StringIO(), width=500)
    options = {"report": False, "uncertainty": False} | options
    failed = run_pairs(path, out, console=console, **options)
    return failed, console.file.getvalue()


def damage(path):
    path.write_bytes(path.read_bytes()[:-2000])


def test_pairs_tables_and_what_is_paid_once(folder, tmp_path, network):
    # A byte-order mark and blanks as spreadsheets write them, and the same brain under two names.
    shutil.copy(folder / "a.nii.gz", folder / "copy.nii.gz")
    path = listed(
        folder,
        "\ufeffmoving, fixed,moving_labels,fixed_labels\n"
        "b.nii.gz,a.nii.gz,b_labels.nii.gz,a_labels.nii.gz\n\n , \n"
        f"c.nii.gz,{folder / 'copy.nii.gz'},,\n",
    )
    out = tmp_path / "out"
    failed, printed = run(path, out)
    assert failed == 0
    warned = sum(bool(row["warnings"]) for row in table(out).values())
    assert warned  # these are no brains
    assert printed.splitlines()[-1] == (
        f"2 of 2 pairs are done; {warned} with warnings, see results.csv"
    )
    assert (network.loads, network.alignments, network.calls) == (1, 3, 2)
    rows = table(out)
    assert list(rows) == ["b_to_a", "c_to_copy"]
    assert tuple(rows["b_to_a"]) == COLUMNS
    first = rows["b_to_a"]
    assert first["status"] == "done"
    assert float(first["seconds"]) > 0
    record = json.loads((out / "b_to_a" / "metrics.json").read_text())
    for key in ("dice_before", "dice_after", "folding_fraction"):
        assert float(first[key]) == pytest.approx(record["metrics"][key], rel=1e-5, abs=1e-9)
    assert rows["c_to_copy"]["dice_after"] == ""
    moved = nib.load(out / "b_to_a" / "moved.nii.gz")
    assert moved.shape == GRIDS["a"][2]


def test_the_transform_is_composed_of_alignments_and_field(folder, tmp_path, network):
    out = tmp_path / "out"
    run(listed(folder, "moving,fixed,name\nb.nii.gz,a.nii.gz,x\n"), out)
    forward = read(out / "x" / "forward.nii.gz")
    # The stand-in: template to subject, b and a; the shift is in whole mm between.
    to_moving, to_fixed = (nib.affines.from_matvec(np.eye(3) * 1.05, (n, 0, -1)) for n in (1, 2))
    affine = nib.load(folder / "a.nii.gz").affine
    points = nib.affines.apply_affine(affine, np.random.default_rng(0).uniform(8, 16, (50, 3)))
    on_template = nib.affines.apply_affine(np.linalg.inv(to_fixed), points) + SHIFT
    expected = nib.affines.apply_affine(to_moving, on_template)
    np.testing.assert_allclose(forward.map_points(points), expected, atol=1e-3)


def test_a_failing_pair_is_one_line_and_stops_no_other(folder, tmp_path, network, capsys):
    damage(folder / "b.nii.gz")
    listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\nc.nii.gz,a.nii.gz\n")
    out = tmp_path / "out"
    arguments = ["batch", str(folder / "pairs.csv"), "-o", str(out), "--no-report"]
    assert main(arguments) == 1
    (line,) = (row for row in capsys.readouterr().err.splitlines() if "Failed:" in row)
    assert "b_to_a" in line
    assert "b.nii.gz: expected a readable image" in line
    rows = table(out)
    assert rows["b_to_a"]["status"] == "failed"
    assert "expected a readable image" in rows["b_to_a"]["message"]
    assert rows["c_to_a"]["status"] == "done"
    assert sorted(p.name for p in out.iterdir()) == [".alignments", "c_to_a", "results.csv"]
    # Mended, the pair is done; the other one is not done again.
    axes, origin, shape = GRIDS["b"]
    image = template_brain(nib.affines.from_matvec(TILT @ axes, origin), shape)
    nib.save(image, folder / "b.nii.gz")
    before = table(out)["c_to_a"]
    assert main(arguments) == 0
    assert network.calls == 2
    assert table(out)["c_to_a"] == before
    assert table(out)["b_to_a"]["status"] == "done"


def test_an_unexpected_error_is_a_failed_pair(folder, tmp_path, network, monkeypatch):
    def bad(*_, **__):
        raise TypeError("no [such] thing")

    path = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n")
    monkeypatch.setattr(network, "field", bad, raising=False)
    failed, printed = run(path, tmp_path / "out")
    assert failed == 1
    assert "unexpected TypeError (no [such] thing)" in printed


def test_interrupted_and_started_again(folder, tmp_path, network):
    text = "moving,fixed\nb.nii.gz,a.nii.gz\nc.nii.gz,a.nii.gz\na.nii.gz,c.nii.gz\n"
    path, out = listed(folder, text), tmp_path / "out"
    network.raise_at = 2
    with pytest.raises(KeyboardInterrupt):
        run(path, out)
    assert [row["status"] for row in table(out).values()] == ["done", "pending", "pending"]
    first = (out / "b_to_a" / "moved.nii.gz").stat().st_mtime_ns
    failed, printed = run(path, out)
    assert (failed, network.calls, network.alignments) == (0, 4, 3)
    assert "3 of 3 pairs are done, of them 1 from before" in printed
    assert (out / "b_to_a" / "moved.nii.gz").stat().st_mtime_ns == first
    assert float(table(out)["b_to_a"]["seconds"]) > 0


def test_a_record_without_its_results_is_not_done(folder, tmp_path, network):
    """A kill while results were being replaced leaves the marker that says so."""
    path, out = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n"), tmp_path / "out"
    run(path, out)
    (out / "b_to_a" / ".unfinished").touch()
    (out / "b_to_a" / "inverse.nii.gz").unlink()
    assert run(path, out)[0] == 0
    assert network.calls == 2
    assert (out / "b_to_a" / "inverse.nii.gz").is_file()


def test_what_others_do_meanwhile_is_neither_done_again_nor_replaced(folder, tmp_path, network):
    text = "moving,fixed\nb.nii.gz,a.nii.gz\nc.nii.gz,a.nii.gz\na.nii.gz,c.nii.gz\n"
    path, out, other = listed(folder, text), tmp_path / "out", tmp_path / "other"
    run(path, other)
    field, calls = network.field, []

    def meanwhile(*images, **options):
        calls.append(images)
        if len(calls) == 1:  # the second pair, done by another process; the third, of other options
            shutil.copytree(other / "c_to_a", out / "c_to_a")
            shutil.copytree(other / "a_to_c", out / "a_to_c")
            record = out / "a_to_c" / "metrics.json"
            record.write_text(record.read_text().replace('"format": "itk"', '"format": "x5"'))
        return field(*images, **options)

    network.field = meanwhile
    failed, _ = run(path, out)
    assert failed == 1
    assert len(calls) == 2
    rows = table(out)
    assert [row["status"] for row in rows.values()] == ["done", "done", "failed"]
    assert "--overwrite" in rows["a_to_c"]["message"]
    assert '"format": "x5"' in (out / "a_to_c" / "metrics.json").read_text()


def test_a_record_that_is_gone_ends_one_pair_and_not_the_batch(
    folder, tmp_path, network, monkeypatch
):
    text = "moving,fixed\nb.nii.gz,a.nii.gz\nc.nii.gz,a.nii.gz\n"
    path, out = listed(folder, text), tmp_path / "out"
    register = batch_pairs.register_pair

    def replaced(job):
        seconds = register(job)
        if job.pair.name == "b_to_a":
            (job.folder / "metrics.json").unlink()
        return seconds

    monkeypatch.setattr(batch_pairs, "register_pair", replaced)
    assert run(path, out)[0] == 1
    rows = table(out)
    assert [row["status"] for row in rows.values()] == ["failed", "done"]
    assert "being replaced or gone; run the same command again" in rows["b_to_a"]["message"]


def test_other_inputs_are_not_overwritten_silently(folder, tmp_path, network):
    path, out = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n"), tmp_path / "out"
    run(path, out)
    image = nib.load(folder / "b.nii.gz")
    data = np.asarray(image.dataobj).copy()
    data[14, 15, 12] += 1
    nib.save(nib.Nifti1Image(data, image.affine), folder / "b.nii.gz")
    with pytest.raises(InputError, match=r"results of another registration.*--overwrite"):
        run(path, out)
    network.description["sha256"] = "6" * 64
    assert run(path, out, overwrite=True)[0] == 0
    assert network.calls == 2
    # Other weights are another result as well; rows of other pairs stay in the table.
    network.description["sha256"] = "7" * 64
    with pytest.raises(InputError, match="--overwrite"):
        run(path, out)
    run(listed(folder, "moving,fixed\nc.nii.gz,a.nii.gz\n"), out)
    assert [row["status"] for row in table(out).values()] == ["done", "done"]


def test_refinement_is_handed_on_and_part_of_what_a_result_is(folder, tmp_path, network):
    refine = Refinement(steps=3)
    path, out = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n"), tmp_path / "out"
    run(path, out, refine=refine)
    assert network.refine == refine
    run(path, out, refine=refine)
    assert network.calls == 1
    with pytest.raises(InputError, match="--overwrite"):
        run(path, out)


def test_passes_are_part_of_what_a_result_is(folder, tmp_path, network):
    path, out = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n"), tmp_path / "out"
    network.description["network"]["passes"] = 4
    run(path, out, passes=4)
    assert network.asked[2] == 4
    run(path, out)
    assert network.calls == 1
    assert json.loads((out / "b_to_a" / "metrics.json").read_text())["inputs"]["passes"] == 4
    # A process that has registered nothing yet loads the same.
    pair_job._models.clear()
    options = {"weights_sha256": "5" * 64, "passes": 4}
    assert pair_job._model("x", options) is network
    assert network.asked[2] == 4
    with pytest.raises(InputError, match="that the batch began with"):
        pair_job._model("x", options | {"passes": 3})
    network.asked = ()
    command = ["batch", str(path), "-o", str(out), "--no-report", "--no-uncertainty"]
    assert main([*command, "--passes", "4"]) == 0
    assert network.asked[2] == 4
    network.description["network"]["passes"] = 2
    with pytest.raises(InputError, match="--overwrite"):
        run(path, out)


def test_symmetry_is_part_of_what_a_result_is(folder, tmp_path, network):
    path, out = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n"), tmp_path / "out"
    command = ["batch", str(path), "-o", str(out), "--no-report", "--no-uncertainty"]
    network.description["symmetric"] = True  # as the model's own would say
    assert main([*command, "--symmetric"]) == 0
    assert network.asked[3] is True
    record = json.loads((out / "b_to_a" / "metrics.json").read_text())
    assert record["provenance"]["config"]["symmetric"] is True
    inputs = record["inputs"]
    assert inputs["symmetric"] is True
    pair_job._models.clear()
    assert pair_job._model("x", inputs) is network
    assert network.asked[3] is True
    with pytest.raises(InputError, match="that the batch began with"):
        pair_job._model("x", inputs | {"symmetric": False})
    del network.description["symmetric"]
    with pytest.raises(InputError, match="--overwrite"):
        run(path, out)
    assert network.asked[3] is False


@pytest.mark.parametrize("weights", ["x", "identity"])
def test_a_head_of_several_pairs_is_stripped_once(folder, tmp_path, network, monkeypatch, weights):
    brain = put_in_a_head(folder / "a.nii.gz")
    tool = Stripper(tmp_path / "bin", monkeypatch)
    path = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\na.nii.gz,c.nii.gz\n")
    out = tmp_path / "out"
    assert run(path, out, weights=weights)[0] == 2
    assert "say --strip" in table(out)["b_to_a"]["message"]
    assert run(path, out, weights=weights, strip=True)[0] == 0
    assert tool.uses == 1
    for name, role in (("b_to_a", "fixed"), ("a_to_c", "moving")):
        mask = nib.load(out / name / f"{role}_mask.nii.gz")
        np.testing.assert_array_equal(np.asarray(mask.dataobj), brain)
        images = json.loads((out / name / "metrics.json").read_text())["images"]
        assert images[role]["stripped"]["tool"] == "mri_synthstrip"
    # The results are those of the same images, however the brain was found.
    before = [(out / name / "metrics.json").stat().st_mtime_ns for name in table(out)]
    assert run(path, out, weights=weights)[0] == 0
    assert [(out / name / "metrics.json").stat().st_mtime_ns for name in table(out)] == before


def test_the_command_strips(folder, tmp_path, network, monkeypatch):
    put_in_a_head(folder / "a.nii.gz")
    tool = Stripper(tmp_path / "bin", monkeypatch)
    path = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n")
    arguments = ["batch", str(path), "-o", str(tmp_path / "out"), "--no-report"]
    assert main([*arguments, "--strip"]) == 0
    assert tool.uses == 1


def test_the_temperature_is_handed_on_and_part_of_what_a_result_is(folder, tmp_path, network):
    path, out = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n"), tmp_path / "out"
    network.description["calibration"] = {"temperature": 9.0}
    for wanted in (None, "fitted", 9.0):  # three ways to say the same
        run(path, out, uncertainty=True, temperature=wanted)
        assert network.calls == 1
    assert_deviation(out, 1.5)
    with pytest.raises(InputError, match="--overwrite"):
        run(path, out, uncertainty=True, temperature=1.0)
    run(path, out, uncertainty=True, temperature=1.0, overwrite=True)
    assert_deviation(out, 0.5)


def assert_deviation(out, expected):
    found = nib.load(out / "b_to_a" / "uncertainty.nii.gz").get_fdata()
    assert found.max() == pytest.approx(expected)


def test_a_temperature_that_is_none_is_said_before_any_work(folder, tmp_path, network, capsys):
    path, out = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n"), tmp_path / "out"
    assert main(["batch", str(path), "-o", str(out), "--temperature", "warm"]) == 2
    assert "--temperature: expected `fitted` or a number above 0" in capsys.readouterr().err
    with pytest.raises(InputError, match="run `pmrnet calibrate`"):
        run(path, out, temperature="fitted")
    assert network.alignments == 0


def test_alignments_alone(folder, tmp_path, network):
    path = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n")
    point = nib.load(folder / "a.nii.gz").affine[:3, 3][None]
    for name, alignments in (("identity", 0), ("affine", 2)):
        out = tmp_path / name
        for _ in range(2):  # the second time nothing is left to do
            assert run(path, out, weights=name, uncertainty=True)[0] == 0
            assert (network.loads, network.alignments) == (0, alignments)
        assert not (out / "b_to_a" / "uncertainty.nii.gz").exists()
        # The other one is another result.
        with pytest.raises(InputError, match="--overwrite"):
            run(path, out, weights={"identity": "affine", "affine": "identity"}[name])
    moved = read(tmp_path / "identity" / "b_to_a" / "forward.nii.gz").map_points(point)
    np.testing.assert_allclose(moved, point, atol=1e-4)
    # The stand-in's two alignments differ by 1 mm.
    moved = read(tmp_path / "affine" / "b_to_a" / "forward.nii.gz").map_points(point)
    np.testing.assert_allclose(moved, point - (1, 0, 0), atol=1e-3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected the columns moving, fixed"),
        ("moving,fixed\n", "expected a row below the header, found none"),
        ("moving;fixed\na.nii.gz;b.nii.gz\n", "found moving;fixed"),
        ("moving,target\na.nii.gz,b.nii.gz\n", "found moving, target"),
        ("moving,fixed,moving_label\na.nii.gz,b.nii.gz,\n", "found moving, fixed, moving_label"),
        ("moving,fixed,fixed\na.nii.gz,b.nii.gz,\n", "found moving, fixed, fixed"),
        ("moving,fixed\na.nii.gz,no.nii.gz\nno.nii.gz,b.nii.gz\n", r"line 2, fixed: .*no\.nii\.gz"),
        ("moving,fixed\na.nii.gz,no.nii.gz\nno.nii.gz,b.nii.gz\n", r"\(1 more entries"),
        ("moving,fixed\na.nii.gz,\n", "line 2: expected a file for fixed, found none"),
        ("moving,fixed\na.nii.gz,b.nii.gz,c.nii.gz\n", "line 2: expected 2 cells"),
        ("moving,fixed\na.nii.gz,b.nii.gz\na.nii.gz,b.nii.gz\n", "line 3: .* that of .*line 2"),
        ("moving,fixed,name\na.nii.gz,b.nii.gz,Results.csv\n", "that of the table of results"),
        ("moving,fixed,name\na.nii.gz,b.nii.gz,X\nb.nii.gz,a.nii.gz,x\n", "name of its own"),
        ("moving,fixed,name\na.nii.gz,b.nii.gz,../x\n", "a name that a folder can have"),
        ("moving,fixed,name\na.nii.gz,b.nii.gz,.alignments\n", "a name that a folder can have"),
        ('moving,fixed\n"a.nii.gz,b.nii.gz\n', "expected a CSV file in UTF-8"),
    ],
)
def test_a_bad_list_is_one_sentence_before_any_work(folder, tmp_path, network, text, sentence):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=sentence) as caught:
        run(listed(folder, text), out)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert (network.loads, network.alignments, network.calls) == (0, 0, 0)


def test_a_missing_list_is_one_sentence(tmp_path, capsys):
    assert main(["batch", str(tmp_path / "no.csv"), "-o", str(tmp_path / "out")]) == 2
    assert "no.csv: expected a CSV file" in capsys.readouterr().err


def test_without_dask_workers_are_refused(folder, tmp_path, network, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    path = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n")
    with pytest.raises(InputError, match=r"pip install 'distributed>=2024.1'"):
        run(path, tmp_path / "out", workers=2)
    assert run(path, tmp_path / "out")[0] == 0


def test_dask_gives_what_one_process_gives(folder, tmp_path, network):
    distributed = pytest.importorskip("distributed")
    damage(folder / "c.nii.gz")
    text = "moving,fixed\nb.nii.gz,a.nii.gz\nc.nii.gz,a.nii.gz\na.nii.gz,b.nii.gz\n"
    path = listed(folder, text)
    # Its workers are threads of this process, which know of the stand-ins.
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        failed, printed = run(path, tmp_path / "dask", scheduler=address)
    assert failed == 1
    assert "c.nii.gz: expected a readable image" in printed
    assert network.alignments == 2
    rows = table(tmp_path / "dask")
    assert [row["status"] for row in rows.values()] == ["done", "failed", "done"]
    run(path, tmp_path / "one")
    for name in ("b_to_a", "a_to_b"):
        one, other = (
            np.asarray(nib.load(tmp_path / kind / name / "forward.nii.gz").dataobj)
            for kind in ("one", "dask")
        )
        np.testing.assert_array_equal(one, other)


def test_dask_aligns_nothing_where_the_headers_are_all(folder, tmp_path, network):
    distributed = pytest.importorskip("distributed")
    path = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        options = {"scheduler": cluster.scheduler_address, "weights": "identity"}
        assert run(path, tmp_path / "out", **options)[0] == 0
    assert network.alignments == 0


def test_a_scheduler_that_does_not_answer(folder, tmp_path, network, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("pmrnet.dask_cluster._CONNECT_SECONDS", 0.5)
    path = listed(folder, "moving,fixed\nb.nii.gz,a.nii.gz\n")
    with pytest.raises(InputError, match="expected a Dask scheduler"):
        run(path, tmp_path / "out", scheduler="tcp://127.0.0.1:9")
