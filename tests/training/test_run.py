"""Whole training runs on tiny subjects: what they leave behind, and that a kill costs nothing."""

import csv
import dataclasses
import itertools
import json
from contextlib import contextmanager
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from filelock import FileLock
from scipy import ndimage

from fake_subjects import blocks, tiny_protocol
from pmrnet.config import Experiment, Stage
from pmrnet.errors import InputError
from pmrnet.folder_lock import LOCK
from pmrnet.nn.pmrnet_plus import PMRNetPlus
from pmrnet.training import run, train
from pmrnet.training.progress import Progress, StopOnNaN
from pmrnet.weights import load_network

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
            image=image / 4,
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


def killing(method, call):
    """The method of a callback, which at its `call`-th call does its work and dies."""
    calls = itertools.count(1)

    def dying(self, index, logs=None):
        method(self, index, logs)
        if next(calls) == call:
            raise Killed

    return dying


def assert_same_files(folder, other):
    for name in ("stage1/last.weights.h5", "best.weights.h5"):
        ours, theirs = contents(folder / name), contents(other / name)
        assert set(ours) == set(theirs)
        for key, value in ours.items():
            # Threads add in no fixed order; another order of pairs or samples differs by 1e-3.
            np.testing.assert_allclose(
                value, theirs[key], rtol=1e-5, atol=1e-5, err_msg=f"{name}: {key}"
            )
    best = [json.loads((f / "best.json").read_text()) for f in (folder, other)]
    assert best[0].pop("val_dice") == pytest.approx(best[1].pop("val_dice"), rel=1e-4)
    assert best[0] == best[1]
    logs = [list(csv.DictReader((f / "stage1" / "log.csv").open())) for f in (folder, other)]
    for key in ("epoch", "loss", "val_dice"):
        ours, theirs = ([float(row[key]) for row in log] for log in logs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_memory_is_kept_from_step_to_step(subjects, tmp_path, monkeypatch):
    seen = []

    @contextmanager
    def kept():
        seen.append("kept")
        yield
        seen.append("given back")

    monkeypatch.setattr(run, "freed_memory_kept", kept)
    monkeypatch.setattr(Progress, "on_train_end", lambda *_: seen.append("trained"), raising=False)
    train(experiment(steps=4), tiny_protocol(), subjects, tmp_path / "run", {})
    assert seen == ["kept", "trained", "given back"]


def test_a_killed_training_ends_as_an_uninterrupted_one(subjects, tmp_path, monkeypatch):
    protocol = tiny_protocol()
    train(experiment(), protocol, subjects, tmp_path / "whole", {})
    files = {p.name for p in (tmp_path / "whole").iterdir()}
    assert {"best.json", "best.weights.h5", "stage1", "tensorboard", "weights.json"} <= files
    assert len(list(csv.DictReader((tmp_path / "whole/stage1/log.csv").open()))) == 3

    # Killed within the second epoch; resumed, and killed between the second and the third.
    for target, method, call in (
        (StopOnNaN, "on_train_batch_end", 6),
        (Progress, "on_epoch_end", 1),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, method, killing(getattr(target, method), call))
            with pytest.raises(Killed):
                train(experiment(), protocol, subjects, tmp_path / "killed", {})
    train(experiment(), protocol, subjects, tmp_path / "killed", {})
    assert_same_files(tmp_path / "whole", tmp_path / "killed")

    # Again in the folder of a run that is complete: all stays, its record, too.
    before = {p: p.read_bytes() for p in (tmp_path / "whole").rglob("*") if p.is_file()}
    path = train(experiment(), protocol, subjects, tmp_path / "whole", {})
    assert path == tmp_path / "whole" / "weights.json"
    assert {p: p.read_bytes() for p in (tmp_path / "whole").rglob("*") if p.is_file()} == before


def test_who_only_writes_the_weights_of_a_finished_training_is_not_who_trained(
    subjects, tmp_path, monkeypatch
):
    path = train(experiment(), tiny_protocol(), subjects, tmp_path, {})
    record = json.loads(path.read_text())["training"]
    path.unlink()
    monkeypatch.setattr("pmrnet.training.run.accelerator_name", lambda: "another machine")
    again = json.loads(train(experiment(), tiny_protocol(), subjects, tmp_path, {}).read_text())
    assert again["training"] == record


@pytest.mark.parametrize("other", ["data", "split"])
def test_a_run_on_other_data_is_refused(subjects, tmp_path, other):
    protocol = tiny_protocol()
    path = train(experiment(), protocol, subjects, tmp_path, {"inputs": "1"})
    before = path.read_bytes()
    data = {"inputs": "2" if other == "data" else "1"}
    if other == "split":
        swapped = {"train": protocol.train[::-1][:1], "validation": protocol.validation}
        protocol = dataclasses.replace(protocol, **swapped)
    with pytest.raises(InputError, match="found one on other data or another split; move"):
        train(experiment(), protocol, subjects, tmp_path, data)
    assert path.read_bytes() == before


def test_images_that_the_network_cannot_halve_are_refused_before_any_work(subjects, tmp_path):
    network = NETWORK | {"filters": [2] * 3, "hidden_filters": [2] * 3, "hidden_kernels": [1] * 3}
    given = dataclasses.replace(experiment(), network=network)
    with pytest.raises(InputError, match=r"multiples of 8 voxels.*found 8 x 8 x 12 at 1 mm"):
        train(given, tiny_protocol(), subjects, tmp_path, {})
    assert not (tmp_path / "stage1").exists()


def test_a_mended_experiment_begins_in_the_same_folder(subjects, tmp_path):
    """Whatever was wrong, nothing was trained, and nothing keeps the next try out."""
    stage = experiment().stages[0]
    wrong = {
        "1 or fewer passes for": {"stages": (stage, dataclasses.replace(stage, passes=2))},
        "multiple of the 2 mm": {"stages": (dataclasses.replace(stage, spacing=2), stage)},
        "expected": {"init": "no-such-weights"},
        "one entry per level": {"network": {**NETWORK, "filters": [2, 2]}},
        "objective elbo": {"objective": {"levl_weight": 1.0}},
    }
    for sentence, changes in wrong.items():
        stored_at = 2 if "2 mm" in sentence else 1
        given = {name: SimpleNamespace(**vars(s)) for name, s in subjects.items()}
        for subject in given.values():
            subject.spacing = stored_at
        with pytest.raises(InputError, match=f"experiment tiny: .*{sentence}"):
            train(
                dataclasses.replace(experiment(), **changes), tiny_protocol(), given, tmp_path, {}
            )
        assert [path.name for path in tmp_path.iterdir()] in ([], [LOCK])
    assert train(experiment(), tiny_protocol(), subjects, tmp_path, {}).is_file()


def test_weights_of_a_finished_stage_that_are_gone_are_said(subjects, tmp_path):
    path = train(experiment(), tiny_protocol(), subjects, tmp_path, {})
    path.unlink()
    for name in ("best.weights.h5", "stage1/last.weights.h5"):
        (tmp_path / name).unlink()
        with pytest.raises(InputError, match=rf"{name}: expected the state .*found none"):
            train(experiment(), tiny_protocol(), subjects, tmp_path, {})


def test_a_loss_that_is_not_finite_stops_the_training():
    stop = StopOnNaN()
    stop.on_train_batch_end(0, {"loss": 1.0, "image_kl": 2.0})
    with pytest.raises(InputError, match=r"step 8 .*expected a finite loss, found image_kl"):
        stop.on_train_batch_end(7, {"loss": 1.0, "image_kl": np.nan})


def test_weights_that_are_not_finite_replace_no_checkpoint(subjects, tmp_path, monkeypatch):
    """The last step of the second epoch breaks them, after its loss was found."""
    check = StopOnNaN.on_epoch_end

    def after_a_bad_step(self, epoch, logs=None):
        if epoch == 1:
            weight = self.model.trainable_variables[0]
            weight.assign(weight * np.nan)
        check(self, epoch, logs)

    protocol = tiny_protocol()
    with monkeypatch.context() as patch:
        patch.setattr(StopOnNaN, "on_epoch_end", after_a_bad_step)
        with pytest.raises(InputError, match=r"epoch 2: expected finite weights .* not finite"):
            train(experiment(), protocol, subjects, tmp_path / "broken", {})
    for name in ("broken", "whole"):
        train(experiment(), protocol, subjects, tmp_path / name, {})
    assert_same_files(tmp_path / "whole", tmp_path / "broken")


def test_progress_line(capsys):
    progress = Progress(epochs=4, steps=50, stage="stage1")
    progress.on_epoch_begin(1)
    logs = {"loss": 12.5, "val_dice": 0.61, "val_seconds": 0.0}
    progress.on_epoch_end(1, logs)
    line = capsys.readouterr().err
    for part in ("stage1", "step 100/200", "loss 12.500", "Dice 0.6100", "s/step", "0:00:00 left"):
        assert part in line
    assert logs["seconds_per_step"] >= 0


def test_folder_of_another_experiment_is_refused(subjects, tmp_path):
    (tmp_path / "experiment.sha256").write_text("something else\n")
    with pytest.raises(InputError, match="one of other settings"):
        train(experiment(), tiny_protocol(), subjects, tmp_path, {})


def test_a_folder_in_which_another_process_trains_is_refused_untouched(subjects, tmp_path):
    refused = pytest.raises(InputError, match="no other training")
    with FileLock(tmp_path / LOCK), refused:
        train(experiment(), tiny_protocol(), subjects, tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_without_labels_likeness_chooses_the_weights(subjects, tmp_path, capsys):
    path = train(experiment(), tiny_protocol(labels={}, groups={}), subjects, tmp_path, {})
    training = json.loads(path.read_text())["training"]
    best = training["best"]
    log = list(csv.DictReader((tmp_path / "stage1/log.csv").open()))
    scores = [float(row["val_similarity"]) for row in log]
    assert best["val_similarity"] == pytest.approx(max(scores))
    assert max(scores) < 0
    assert "val_dice" not in best
    assert "validation similarity" in capsys.readouterr().err
    seconds = [float(row["input_seconds"]) for row in log]
    assert all(0 < value < 60 for value in seconds)
    steps = sum(4 * float(row["seconds_per_step"]) + float(row["val_seconds"]) for row in log)
    assert training["seconds"] == round(steps)


def test_starts_from_weights_that_are_named(subjects, tmp_path):
    first = train(experiment(), tiny_protocol(), subjects, tmp_path / "first", {})
    settings = {"steps": 4, "learning_rate": 1e-12}
    on = dataclasses.replace(experiment(**settings), init=str(first))
    path = train(on, tiny_protocol(), subjects, tmp_path / "on", {})
    record = json.loads(path.read_text())["training"]["init"]
    assert record["sha256"] == json.loads(first.read_text())["sha256"]
    assert record["steps"] == 12
    before, after = (
        load_network(tmp_path / name / "weights.json")[0].get_weights() for name in ("first", "on")
    )
    assert any(np.abs(w).max() > 1e-3 for w in before)
    for ours, theirs in zip(before, after, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-8)
    other = dataclasses.replace(on, network={**NETWORK, "hidden_filters": [3]})
    with pytest.raises(InputError, match="init: expected weights of the experiment's network"):
        train(other, tiny_protocol(), subjects, tmp_path / "other", {})


def test_goes_on_from_the_weights_that_it_started_from_alone(subjects, tmp_path):
    first, other = (
        train(experiment(seed), tiny_protocol(), subjects, tmp_path / str(seed), {})
        for seed in (1, 2)
    )
    on = dataclasses.replace(experiment(steps=4), init=str(first))
    path = train(on, tiny_protocol(), subjects, tmp_path / "on", {})
    path.unlink()  # as if it was stopped before the end
    for ending in (".json", ".weights.h5"):
        replaced = first.with_name("weights" + ending)
        replaced.write_bytes(other.with_name("weights" + ending).read_bytes())
    with pytest.raises(InputError, match="found one from other weights; move the folder away"):
        train(on, tiny_protocol(), subjects, tmp_path / "on", {})


def test_grows_from_weights_of_half_the_resolution(subjects, tmp_path):
    coarse = dataclasses.replace(
        experiment(), stages=(Stage(2, 4, 1e-2, 0.5, 5, validate_every=4),)
    )
    first = train(coarse, tiny_protocol(), subjects, tmp_path / "first", {})
    # More passes too: they take the same weights.
    taller = {"filters": [3, 2], "hidden_filters": [2, 2], "hidden_kernels": [1, 1], "passes": 2}
    on = dataclasses.replace(
        experiment(steps=4, learning_rate=1e-12), network=NETWORK | taller, init=str(first)
    )
    path = train(on, tiny_protocol(), subjects, tmp_path / "on", {})
    assert json.loads(path.read_text())["training"]["init"]["steps"] == 4
    before, after = (load_network(found)[0] for found in (first, path))
    for ours, theirs in zip(
        after.posteriors[1].get_weights(), before.posteriors[0].get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-8)
    # Of the same resolution, they are not what it grows from.
    same = train(experiment(steps=4), tiny_protocol(), subjects, tmp_path / "same", {})
    with pytest.raises(InputError, match="or, at 2 mm, of the one without its finest level"):
        train(
            dataclasses.replace(on, init=str(same)),
            tiny_protocol(),
            subjects,
            tmp_path / "refused",
            {},
        )


def test_subjects_of_another_data_set_and_changes_take_part(subjects, tmp_path):
    """Weights differ from those of a training without; everything else goes as usual."""
    short = experiment(steps=4)
    added = (tiny_protocol(train=("c", "d"), validation=()), subjects)
    changed = dataclasses.replace(short, augment={"contrast": 0.5})
    runs = {"plain": (short, ()), "mixed": (short, [added]), "changed": (changed, ())}
    weights = {}
    for name, (settings, mixed) in runs.items():
        train(settings, tiny_protocol(), subjects, tmp_path / name, {}, mixed)
        weights[name] = contents(tmp_path / name / "stage1/last.weights.h5")
    for name in ("mixed", "changed"):
        differences = [np.abs(weights[name][k] - v).max() for k, v in weights["plain"].items()]
        assert max(differences) > 1e-4


def test_stages_may_differ_in_passes(subjects, tmp_path, monkeypatch):
    seen = []
    look = PMRNetPlus.infer

    def infer(self, *images, training):
        seen.append((training, self.training_passes if training else self.passes))
        return look(self, *images, training)

    monkeypatch.setattr(PMRNetPlus, "infer", infer)
    base = experiment(steps=4)
    (stage,) = base.stages
    plus = dataclasses.replace(
        base,
        network=NETWORK | {"type": "pmrnet-plus", "passes": 2},
        objective={"level_weight": 0.0},
        stages=(dataclasses.replace(stage, passes=1), stage),
    )
    path = train(plus, tiny_protocol(), subjects, tmp_path / "run", {})
    assert list(dict.fromkeys(p for training, p in seen if training)) == [1, 2]
    # What chooses the weights is the network as it will be used.
    assert {p for training, p in seen if not training} == {2}
    assert load_network(path)[0].passes == 2
    released = {"type": "pmrnet-released", "filters": [4, 8], "integration_steps": 2}
    wrong = dataclasses.replace(plus, network=released)
    with pytest.raises(InputError, match="expected no passes for this network pmrnet-released"):
        train(wrong, tiny_protocol(), subjects, tmp_path / "wrong", {})


def test_goes_on_from_weights_of_fewer_passes(subjects, tmp_path):
    first = train(experiment(steps=4), tiny_protocol(), subjects, tmp_path / "first", {})
    on = dataclasses.replace(
        experiment(steps=4, learning_rate=1e-12),
        network=NETWORK | {"passes": 2},
        init=str(first),
    )
    path = train(on, tiny_protocol(), subjects, tmp_path / "on", {})
    before, after = (load_network(found)[0] for found in (first, path))
    assert (before.passes, after.passes) == (1, 2)
    for ours, theirs in zip(after.get_weights(), before.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_every_stage_of_a_resumed_training_is_whole(subjects, tmp_path, monkeypatch):
    base = experiment(steps=8)
    twice = dataclasses.replace(base, stages=base.stages * 2)
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_epoch_end", killing(Progress.on_epoch_end, 2))
        with pytest.raises(Killed):
            train(twice, tiny_protocol(), subjects, tmp_path, {})
    assert (tmp_path / "stage1" / "backup" / "latest.weights.h5").is_file()
    path = train(twice, tiny_protocol(), subjects, tmp_path, {})
    for stage in ("stage1", "stage2"):
        rows = list(csv.DictReader((tmp_path / stage / "log.csv").open()))
        assert [row["epoch"] for row in rows] == ["0", "1"]
    starts = json.loads(path.read_text())["training"]["starts"]
    assert len(starts) == 2
    assert all({"created", "git", "machine"} <= start.keys() for start in starts)


def test_a_damaged_checkpoint_is_said(subjects, tmp_path):
    checkpoint = tmp_path / "stage1" / "backup" / "latest.weights.h5"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"half a file")
    with pytest.raises(InputError, match="delete it to begin the stage again"):
        train(experiment(), tiny_protocol(), subjects, tmp_path, {})


def test_what_is_trained_on(subjects, tmp_path, monkeypatch):
    """Images at the stage's spacing, and pairs within one data set."""
    seen = []

    class Watched(run.PairSequence):
        def __init__(self, images, *arguments, **options):
            super().__init__(images, *arguments, **options)
            seen.append(({image.shape for image in images}, sorted(self.pairs)))

    monkeypatch.setattr(run, "PairSequence", Watched)
    added = (tiny_protocol(train=("c", "d"), validation=()), subjects)
    coarse = experiment(steps=4)
    coarse = dataclasses.replace(coarse, stages=(dataclasses.replace(coarse.stages[0], spacing=2),))
    train(coarse, tiny_protocol(), subjects, tmp_path, {}, [added])
    assert seen == [({(4, 4, 6)}, [(0, 1), (1, 0), (2, 3), (3, 2)])]


def test_the_optimizer_is_the_stages():
    stage = experiment(clip_norm=3.0, weight_decay=1e-4).stages[0]
    made = run._optimizer(stage)
    rates = [float(made._learning_rate(step)) for step in (0, 4, 5, 11)]
    assert rates == pytest.approx([1e-2, 1e-2, 5e-3, 2.5e-3])
    assert (made.global_clipnorm, made.weight_decay) == (3.0, 1e-4)


def test_the_best_weights_are_what_is_left(subjects, tmp_path, monkeypatch):
    scores = iter((3.0, 2.0, 1.0))
    monkeypatch.setattr(
        "pmrnet.training.validation.ValidationDice.score", lambda self: next(scores)
    )
    left, _ = load_network(train(experiment(), tiny_protocol(), subjects, tmp_path, {}))
    found = left.get_weights()
    for name, same in (("best.weights.h5", True), ("stage1/last.weights.h5", False)):
        left.load_weights(tmp_path / name)
        equal = [np.array_equal(a, b) for a, b in zip(found, left.get_weights(), strict=True)]
        assert all(equal) == same, name


def test_labels_of_training_subjects_enter_the_loss(subjects, tmp_path):
    """And of them alone: validation subjects' labels change what is chosen, not what is learnt."""
    supervised = dataclasses.replace(experiment(), labels={"weight": 5.0, "per_step": 2})
    results = {}
    for name, chosen in (("without", experiment()), ("with", supervised)):
        train(chosen, tiny_protocol(), subjects, tmp_path / name, {})
        results[name] = contents(tmp_path / name / "stage1" / "last.weights.h5")
    assert any((results["with"][k] != results["without"][k]).any() for k in results["with"])
    with (tmp_path / "with" / "stage1" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(0 < float(row["label_overlap"]) < 5 for row in rows)
    record = json.loads((tmp_path / "with" / "weights.json").read_text())
    assert record["training"]["config"]["labels"] == {"weight": 5.0, "per_step": 2}

    held_out = tiny_protocol().validation
    for name in held_out:
        other = np.roll(subjects[name].labels().data, 1, axis=0)
        subjects[name].labels = lambda other=other: SimpleNamespace(data=other)
    train(supervised, tiny_protocol(), subjects, tmp_path / "again", {})
    again = contents(tmp_path / "again" / "stage1" / "last.weights.h5")
    for key, value in results["with"].items():
        np.testing.assert_allclose(value, again[key], rtol=1e-5, atol=1e-5)


def test_data_without_labels_cannot_be_trained_with_them(subjects, tmp_path):
    supervised = dataclasses.replace(experiment(), labels={"weight": 1.0, "per_step": 2})
    protocol = dataclasses.replace(tiny_protocol(), labels={}, groups={})
    with pytest.raises(InputError, match="expected labels to train with"):
        train(supervised, protocol, subjects, tmp_path / "run", {})


def test_threads_that_read_ahead_do_not_change_what_is_learnt(subjects, tmp_path, monkeypatch):
    """Nor which epoch a pair is of."""
    changed = dataclasses.replace(
        experiment(), augment={"mirror": 0.5, "contrast": 0.3}, labels={"weight": 1.0}
    )
    for cores in (1.0, 5.0):
        monkeypatch.setattr(run, "usable_cores", lambda cores=cores: cores)
        train(changed, tiny_protocol(), subjects, tmp_path / str(cores), {})
    assert_same_files(tmp_path / "1.0", tmp_path / "5.0")
