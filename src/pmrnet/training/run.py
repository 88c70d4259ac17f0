"""One training run: the stages of an experiment, each with its resolution and learning rate."""

from __future__ import annotations

import csv
import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from pmrnet.config import Experiment, Stage
from pmrnet.data.augmentation import Augmentation
from pmrnet.data.in_memory import load_images
from pmrnet.data.prepared import PreparedSubject
from pmrnet.errors import InputError
from pmrnet.files import atomic_path, atomic_write_text
from pmrnet.folder_lock import folder_lock
from pmrnet.machine_limits import usable_cores
from pmrnet.nn.build import network_with_weights
from pmrnet.nn.cascade import CascadedNetwork
from pmrnet.process_memory import freed_memory_kept
from pmrnet.protocol import Protocol
from pmrnet.provenance import collect, sha256_of
from pmrnet.training.accelerator import accelerator_name
from pmrnet.training.checkpoint import Checkpoint, load_state, resume
from pmrnet.training.keep_best import KeepBest
from pmrnet.training.label_channels import training_labels
from pmrnet.training.network_to_train import network_to_train, supervision_of
from pmrnet.training.pairs import PairSequence
from pmrnet.training.position import EpochPosition, stage_seed
from pmrnet.training.progress import EpochLog, Progress, StopOnNaN
from pmrnet.training.starts import add_start, read_starts
from pmrnet.training.validation_callback import DataSet, validation_callback
from pmrnet.weights import save_weights

#: written when a stage is trained to its end
_DONE = "done.json"

# What a run is of, by the name of its file in the folder: how another one differs, what to restore.
_CLAIMS = {
    "experiment": ("of other settings", "experiment file"),
    "data": ("on other data or another split", "data and their split"),
    "init": ("from other weights", "weights that it starts from"),
}


def train(
    experiment: Experiment,
    protocol: Protocol,
    subjects: Mapping[str, PreparedSubject],
    folder: Path,
    data: Mapping[str, Any],
    mixed: Sequence[DataSet] = (),
) -> Path:
    """Train a network through all stages of its experiment; resumes what is in `folder`.

    Parameters
    ----------
    experiment
        Network, objective, stages and seed.
    protocol
        Training and validation subjects and the scored labels; test subjects are never touched.
    subjects
        Prepared subjects by name.
    folder
        Run folder: a folder per stage with checkpoints and `log.csv`, TensorBoard events, the best
        weights so far and, at the end, `weights.json` with `weights.weights.h5`.
    data
        What the data are, for the weights' provenance.
    mixed
        Further data sets with their subjects: each pair is of one data set, and all of them choose
        the best weights, see `pmrnet.training.validation_callback`.

    Returns
    -------
    pathlib.Path
        `weights.json`, the best weights by validation Dice.

    Raises
    ------
    InputError
        If the loss is no longer finite, `folder` holds a run of another experiment or on other
        data or is in use by another process, or the network does not take images of the subjects'
        size.
    """
    folder = Path(folder)
    provenance = collect(
        experiment.as_dict(),
        data,
        experiment.seed,
        experiment.steps,
        weights_sha256=None,
        accelerator=accelerator_name(),
    )
    data_sets = [(protocol, subjects), *mixed]
    with folder_lock(folder, "training"):
        claims = {
            "experiment": provenance["config_sha256"],
            "data": _data_sha256(data, data_sets),
        }
        _refuse_others(folder, claims)
        if (done := folder / "weights.json").is_file():
            return done
        with freed_memory_kept():
            start = _train_stages(experiment, data_sets, folder, provenance, claims)
        return _save_best(experiment, folder, {**provenance, **start})


def _train_stages(
    experiment: Experiment,
    data_sets: Sequence[DataSet],
    folder: Path,
    provenance: Mapping[str, Any],
    claims: Mapping[str, str],
) -> dict[str, Any]:
    """Train through all stages, or through what is left of them.

    The folder is claimed, see `_CLAIMS`, when the first step is about to be taken: an experiment
    that was wrong can be mended and begun again.

    Returns
    -------
    dict
        What the weights that it started from were, see `network_to_train`; empty for random ones.
    """
    keras.utils.set_random_seed(experiment.seed)
    network, start = network_to_train(experiment, data_sets)
    if start:
        claims = {**claims, "init": start["init"]["sha256"]}
        _refuse_others(folder, claims)

    @functools.cache
    def begin() -> None:
        for what, own in claims.items():
            atomic_write_text(folder / f"{what}.sha256", own + "\n")
        add_start(folder, provenance)

    for number, stage in zip(_numbers(experiment), experiment.stages, strict=True):
        validation = validation_callback(stage, f"stage{number}", experiment, data_sets, folder)
        _run_stage(network, stage, number, experiment, data_sets, validation, folder, begin)
    return start


def _save_best(experiment: Experiment, folder: Path, provenance: Mapping[str, Any]) -> Path:
    """Write the best weights so far as the run's own, with how they came about."""
    network = network_with_weights(experiment.network)  # without the optimizer's state
    load_state(network, folder / "best.weights.h5", "move the folder away to train anew")
    best = json.loads((folder / "best.json").read_text())
    return save_weights(
        network,
        experiment.network,
        folder / "weights",
        spacing=best["spacing"],
        training={
            **provenance,
            **read_starts(folder)[-1],  # not this one, if all was trained and nothing written
            "best": best,
            "seconds": _seconds(experiment, folder),
            "starts": read_starts(folder),
        },
    )


def _numbers(experiment: Experiment) -> range:
    """Numbers of the stages, as their folders are called."""
    return range(1, len(experiment.stages) + 1)


def _seconds(experiment: Experiment, folder: Path) -> int:
    """Time that the steps and the validation took, over all starts, by the logs."""
    total = 0.0
    for number, stage in zip(_numbers(experiment), experiment.stages, strict=True):
        with (folder / f"stage{number}" / "log.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                total += stage.validate_every * float(row["seconds_per_step"])
                total += float(row["val_seconds"])
    return round(total)


def _data_sha256(data: Mapping[str, Any], data_sets: Sequence[DataSet]) -> str:
    """Hash of what is trained on, and of which subjects only choose the weights."""
    splits = [[list(protocol.train), list(protocol.validation)] for protocol, _ in data_sets]
    return sha256_of({"data": data, "splits": splits})


def _refuse_others(folder: Path, claims: Mapping[str, str]) -> None:
    """Refuse to go on in the folder of another run: the record would say what was not done."""
    for what, own in claims.items():
        marker = folder / f"{what}.sha256"
        if marker.is_file() and marker.read_text().strip() != own:
            other, restore = _CLAIMS[what]
            raise InputError(
                f"{folder}: expected a run of this experiment on these data, found one {other}; "
                f"move the folder away to train anew, or restore the {restore} to go on."
            )


def _run_stage(
    network: keras.Model,
    stage: Stage,
    number: int,
    experiment: Experiment,
    data_sets: Sequence[DataSet],
    validation: KeepBest,
    folder: Path,
    begin: Callable[[], None],
) -> None:
    """Train one stage; `begin` is called before its first step."""
    name = f"stage{number}"
    stage_folder = folder / name
    done, last = stage_folder / _DONE, stage_folder / "last.weights.h5"
    if done.exists():
        load_state(network, last, f"delete {stage_folder} to train this stage again")
        return
    if isinstance(network, CascadedNetwork):
        network.training_passes = stage.passes or network.passes
    seed = stage_seed(experiment.seed, number)
    training = [prepared[s] for split, prepared in data_sets for s in split.train]
    supervision = supervision_of(experiment)
    sequence = PairSequence(
        load_images(training, stage.spacing),
        steps=stage.validate_every,
        seed=seed,
        groups=[group for group, (split, _) in enumerate(data_sets) for _ in split.train],
        augmentation=Augmentation(**experiment.augment) if experiment.augment else None,
        labels=training_labels(data_sets, stage.spacing) if supervision else None,
        labels_per_pair=supervision.per_step if supervision else 0,
        workers=max(1, int(usable_cores())) if experiment.augment else 1,
    )
    network.compile(
        optimizer=_optimizer(stage),
        # XLA is 25 times slower than oneDNN at 3D convolutions on a CPU; the warps are compiled
        # by themselves. On JAX there is nothing but XLA.
        jit_compile=keras.backend.backend() == "jax",
    )
    # Built now, since a checkpoint can only restore the state of an optimizer that has one.
    network.optimizer.build(network.trainable_variables)
    checkpoint = stage_folder / "backup" / "latest.weights.h5"
    first = resume(network, checkpoint, stage.validate_every)
    begin()
    stage_folder.mkdir(parents=True, exist_ok=True)
    started = time.time()
    network.fit(
        sequence,
        epochs=stage.epochs,
        initial_epoch=first,
        shuffle=False,  # the sequence has an order of its own, which a resumed run repeats
        verbose=0,
        callbacks=[
            StopOnNaN(),
            EpochPosition(sequence, seed),
            validation,
            Progress(stage.epochs, stage.validate_every, name, validation.key),
            EpochLog(stage_folder / "log.csv"),
            *_tensorboard(folder / "tensorboard" / name),
            # Last, so that a kill repeats an epoch that was logged rather than lose one's log.
            Checkpoint(checkpoint),
        ],
    )
    with atomic_path(last) as temporary:
        network.save_weights(temporary)
    record = {
        "steps": stage.steps_taken,
        "seconds_since_last_start": round(time.time() - started, 1),
    }
    atomic_write_text(done, json.dumps(record, indent=1) + "\n")


def _tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    """Writer of TensorBoard events, which Keras has through TensorFlow alone."""
    if find_spec("tensorflow") is None:
        return []
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]


def _optimizer(stage: Stage) -> keras.optimizers.Optimizer:
    """The paper's Adam (section 2.4.2), its learning rate periodically multiplied by a factor."""
    rate = keras.optimizers.schedules.ExponentialDecay(
        stage.learning_rate, stage.decay_every, stage.decay_factor, staircase=True
    )
    return keras.optimizers.Adam(
        rate,
        beta_1=0.9,
        beta_2=0.999,
        weight_decay=stage.weight_decay,
        global_clipnorm=stage.clip_norm,
    )
