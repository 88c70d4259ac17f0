import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from fake_subjects import blocks, oblique, tiny_protocol
from pmrnet.errors import InputError
from pmrnet.label_warp import labels_on_grid, moved_labels
from pmrnet.learn2reg import case_numbers, export_learn2reg, write_fields, write_images

GRID = (8, 10, 12)
PROTOCOL = tiny_protocol(test=("S31", "S7"))
PAIRS = PROTOCOL.pairs("test")
IDENTITY = {"method": "net", "weights_sha256": "w"}


def subject(name, seed):
    rng = np.random.default_rng(seed)
    labels = blocks(rng, (11, 9, 13))
    return SimpleNamespace(
        name=name,
        spacing=2,
        image=rng.uniform(0, 1, GRID).astype(np.float32),
        grid_to_native=oblique(rng),
        native_affine=oblique(rng),
        native_shape=labels.shape,
        labels=lambda: SimpleNamespace(data=labels),
    )


SUBJECTS = {"S31": subject("S31", 1), "S7": subject("S7", 2)}


class Method:
    def __init__(self, stop_after=None):
        self.calls, self.stop_after = [], stop_after

    def __call__(self, moving, fixed):
        if len(self.calls) == self.stop_after:
            raise KeyboardInterrupt
        self.calls.append((moving.name, fixed.name))
        noise = np.random.default_rng(len(moving.name)).uniform(-9, 9, (*GRID, 3))
        return ndimage.gaussian_filter(noise, (1, 1, 1, 0))


def export(folder, method=None, **identity):
    return write_fields(folder, PAIRS, SUBJECTS, method or Method(), IDENTITY | identity)


def test_files(tmp_path):
    assert export(tmp_path) == {"S31": 31, "S7": 7}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cases.csv",
        "disp_0007_0031.nii.gz",
        "disp_0031_0007.nii.gz",
        "export.json",
        "pairs_val.csv",
    ]
    pairs = pd.read_csv(tmp_path / "pairs_val.csv")
    assert list(pairs.columns) == ["fixed", "moving"]
    assert pairs.to_numpy().tolist() == [[7, 31], [31, 7]]
    cases = pd.read_csv(tmp_path / "cases.csv")
    assert dict(zip(cases["subject"], cases["case"], strict=True)) == {"S31": 31, "S7": 7}
    # The file's first number is the fixed image's.
    field = nib.load(tmp_path / "disp_0007_0031.nii.gz")
    assert field.shape == (*GRID, 3)
    assert field.get_fdata() == pytest.approx(Method()(SUBJECTS["S31"], SUBJECTS["S7"]), abs=1e-5)
    assert np.linalg.norm(field.affine[:3, :3], axis=0) == pytest.approx([2, 2, 2])


def test_what_learn2reg_computes_of_the_export_is_what_is_computed_here(tmp_path):
    cases = export(tmp_path)
    write_images(tmp_path, PAIRS, SUBJECTS, cases, PROTOCOL)
    config = json.loads((tmp_path / "evaluation_config.json").read_text())
    assert config["expected_shape"] == [*GRID, 3]
    assert len(config["eval_pairs"]) == len(PAIRS)
    for (moving, fixed), pair in zip(PAIRS, config["eval_pairs"], strict=True):
        # As MDL-UzL/L2R reads and warps: names cut by position, the identity added.
        name = f"disp_{pair['fixed'][-16:-12]}_{pair['moving'][-16:-12]}.nii.gz"
        field = nib.load(tmp_path / name).get_fdata()
        truth, labels = (
            nib.load(tmp_path / pair[role].replace("images", "labels")).get_fdata()
            for role in ("fixed", "moving")
        )
        assert (truth == labels_on_grid(SUBJECTS[fixed], GRID)).all()
        locations = np.indices(GRID) + field.transpose(3, 0, 1, 2)
        theirs = ndimage.map_coordinates(labels, locations, order=0).astype(int)
        # Ours, from the subjects' own grids to one that is the network's.
        grid = SimpleNamespace(grid_to_native=np.eye(4), native_shape=GRID)
        mover = SimpleNamespace(
            grid_to_native=np.eye(4),
            labels=lambda moving=moving: SimpleNamespace(
                data=labels_on_grid(SUBJECTS[moving], GRID)
            ),
        )
        ours = moved_labels(grid, mover, Method()(SUBJECTS[moving], SUBJECTS[fixed]))
        # SciPy takes the outer half of the outermost voxels for outside, we do not.
        last = np.reshape(GRID, (3, 1, 1, 1)) - 1
        inside = ((locations >= 0) & (locations <= last)).all(axis=0)
        assert inside.mean() > 0.5
        assert (theirs == ours)[inside].all()
        assert (theirs != np.asarray(labels, int)).any()
        image = nib.load(tmp_path / pair["fixed"])
        assert image.get_fdata() == pytest.approx(SUBJECTS[fixed].image)
    metrics = {entry["metric"]: entry for entry in config["evaluation_methods"]}
    assert sorted(metrics["dice"]["labels"]) == [1, 2, 3, 4]


def test_a_stopped_export_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path, Method(1))
    second = Method()
    export(tmp_path, second)
    assert second.calls == PAIRS[1:]
    third = Method()
    export(tmp_path, third)
    assert third.calls == []


def test_other_exports_and_other_files_are_left_alone(tmp_path):
    export(tmp_path / "a")
    with pytest.raises(InputError, match="other weights"):
        export(tmp_path / "a", weights_sha256="x")
    # Others' fields are not taken for theirs, though their numbers are the same.
    others = {"anna": SUBJECTS["S31"], "bert": SUBJECTS["S7"]}
    pairs = [("anna", "bert")]
    write_fields(tmp_path / "c", pairs, others, Method(), IDENTITY)
    with pytest.raises(InputError, match="pairs or data"):
        write_fields(tmp_path / "c", [("adam", "anna")], {**others, "adam": 0}, Method(), IDENTITY)
    (tmp_path / "a" / "export.json").write_text("{")
    with pytest.raises(InputError, match="pairs or data"):
        export(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="empty folder"):
        export(tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["S31", "S7"], [31, 7]),
        (["OASIS-TRT-20-16", "OASIS-TRT-20-17"], [16, 17]),
        (["a1", "b1"], [1, 2]),
        (["a", "b2"], [1, 2]),
        (["s0", "s5"], [1, 2]),
        (["x12345", "x2"], [1, 2]),
    ],
)
def test_case_numbers(names, numbers):
    assert list(case_numbers(names).values()) == numbers


def test_labels_above_255_are_kept(tmp_path):
    """As those of the DKT protocol."""

    def many(subject):
        data = subject.labels().data.astype(np.int16) * 1000
        return SimpleNamespace(**{**vars(subject), "labels": lambda: SimpleNamespace(data=data)})

    subjects = {name: many(subject) for name, subject in SUBJECTS.items()}
    write_images(tmp_path, PAIRS, subjects, export(tmp_path), PROTOCOL)
    for path in (tmp_path / "labels").iterdir():
        found = set(np.unique(nib.load(path).get_fdata())) - {0}
        assert found
        assert found <= {1000, 2000, 3000, 4000}


def test_an_export_of_a_refined_row_is_not_the_networks(tmp_path, monkeypatch):
    data = SimpleNamespace(name="tiny", protocol=PROTOCOL, subjects=lambda names: SUBJECTS)
    monkeypatch.setattr("pmrnet.learn2reg.Dataset", SimpleNamespace(load=lambda name: data))
    monkeypatch.setattr("pmrnet.trained_weights.weights_of", lambda *_: "w")
    monkeypatch.setattr("pmrnet.weights.load_network", lambda _: (None, {"sha256": "w"}))
    monkeypatch.setattr("pmrnet.workflow.data_identity", lambda *_: {})
    registrar = SimpleNamespace(displacement=Method())
    monkeypatch.setattr("pmrnet.inference.registrar_of", lambda *_: registrar)
    said = {}
    for method in ("pmrnet", "pmrnet-refined"):
        export_learn2reg("tiny", method, tmp_path / method)
        said[method] = json.loads((tmp_path / method / "export.json").read_text())
    assert "refinement" in said["pmrnet-refined"]
    assert "refinement" not in said["pmrnet"]
