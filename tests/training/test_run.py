"""Whole training runs on tiny subjects: what they leave behind, and that a kill costs nothing."""

import csv
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from scipy import ndimage

from fake_subjects import blocks, tiny_protocol
from pmrnet.config import Experiment, Stage
from pmrnet.errors import InputError
from pmrnet.training import train
from pmrnet.training.progress import Progress, StopOnNaN

SHAPE = (8, 8, 12)
NETWORK = {
    "type": "pmrnet",
    "filters": [2],
    "hidden_filters": [2],
    "hidden_kernels": [1],
    "integration_steps": 1,
}


class Killed(Exception):
    """Stands for a kill of the process."""


@pytest.fixture
def subjects(rng):
    """Prepared subjects that live in memory, at 1 mm."""

    def make():
        labels = blocks(rng, SHAPE)
        image = ndimage.gaussian_filter(labels.astype(np.float32), 1)
        return SimpleNamespace(
            spacing=1,
            grid_to_native=np.eye(4),
            image_at=lambda spacing: image[::spacing, ::spacing, ::spacing] / 4,
            labels=lambda: SimpleNamespace(data=labels),
        )

    return {name: make() for name in "abcd"}


def experiment(seed=1, **changes):
    settings = {"steps": 12, "learning_rate": 1e-2, "decay_factor": 0.5, "decay_every": 5}
    stage = Stage(spacing=1, validate_every=4, **(settings | changes))
    return Experiment("tiny", NETWORK, {"level_weight": 1.0}, (stage,), seed)


def contents(path):
    """All arrays of a weights file by name, the optimiser's included."""
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: arrays.update({name: item[()]}) if hasattr(item, "dtype") else None
        )
    return arrays


def assert_same_files(folder, other):
    for name in ("stage1/last.weights.h5", "best.weights.h5"):
        ours, theirs = contents(folder / name), contents(other / name)
        assert set(ours) == set(theirs)
        for key, value in ours.items():
            np.testing.assert_array_equal(value, theirs[key], err_msg=f"{name}: {key}")
    best = [json.loads((f / "best.json").read_text()) for f in (folder, other)]
    assert best[0] == best[1]
    logs = [list(csv.DictReader((f / "stage1" / "log.csv").open())) for f in (folder, other)]
    for key in ("epoch", "loss", "val_dice"):
        assert [row[key] for row in logs[0]] == [row[key] for row in logs[1]]


def test_a_killed_training_ends_as_an_uninterrupted_one(subjects, tmp_path, monkeypatch):
    protocol = tiny_protocol()
    train(experiment(), protocol, subjects, tmp_path / "whole", {})
    files = {p.name for p in (tmp_path / "whole").iterdir()}
    assert {"best.json", "best.weights.h5", "stage1", "tensorboard", "weights.json"} <= files
    assert len(list(csv.DictReader((tmp_path / "whole/stage1/log.csv").open()))) == 3

    def killed_at(target, method, position):
        original = getattr(target, method)

        def dying(self, index, logs=None):
            original(self, index, logs)
            if index == position:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(target, method, dying)
            with pytest.raises(Killed):
                train(experiment(), protocol, subjects, tmp_path / "killed", {})

    # Once within the second epoch, then, having resumed, between the second and the third.
    killed_within = StopOnNaN.on_train_batch_end
    steps = iter(range(100))

    def within(self, index, logs=None):
        killed_within(self, index, logs)
        if next(steps) == 5:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StopOnNaN, "on_train_batch_end", within)
        with pytest.raises(Killed):
            train(experiment(), protocol, subjects, tmp_path / "killed", {})
    killed_at(Progress, "on_epoch_end", 1)
    train(experiment(), protocol, subjects, tmp_path / "killed", {})
    assert_same_files(tmp_path / "whole", tmp_path / "killed")

    # Again in the folder of a run that is complete: nothing is trained, the result stays.
    before = contents(tmp_path / "whole/stage1/last.weights.h5")
    path = train(experiment(), protocol, subjects, tmp_path / "whole", {})
    assert path == tmp_path / "whole" / "weights.json"
    after = contents(tmp_path / "whole/stage1/last.weights.h5")
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_a_loss_that_is_not_finite_stops_the_training(subjects, tmp_path):
    image = subjects["a"].image_at(1)
    image[...] = np.nan
    subjects["a"].image_at = lambda spacing: image
    with pytest.raises(InputError, match=r"expected a finite loss.*loss"):
        train(experiment(), tiny_protocol(), subjects, tmp_path, {})


def test_folder_of_another_experiment_is_refused(subjects, tmp_path):
    (tmp_path / "experiment.sha256").write_text("something else\n")
    with pytest.raises(InputError, match="one of other settings"):
        train(experiment(), tiny_protocol(), subjects, tmp_path, {})
