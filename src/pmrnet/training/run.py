"""One training run: the stages of an experiment, each with its resolution and learning rate."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from pmrnet.config import Experiment, Stage
from pmrnet.data.prepare import PreparedSubject
from pmrnet.files import atomic_write_text
from pmrnet.nn.build import build_network
from pmrnet.nn.objective import Objective
from pmrnet.protocol import Protocol
from pmrnet.training.pairs import PairSequence
from pmrnet.training.progress import Throughput
from pmrnet.training.validation import ValidationDice, labels_on_grid


def train(
    experiment: Experiment,
    protocol: Protocol,
    subjects: Mapping[str, PreparedSubject],
    folder: Path,
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
        Run folder: checkpoints, `log.csv`, TensorBoard events, `best.weights.h5`, `best.json`.

    Returns
    -------
    Path
        The best weights by validation Dice.
    """
    keras.utils.set_random_seed(experiment.seed)
    network = build_network(experiment.network, Objective(**experiment.objective))
    network.build()
    for number, stage in enumerate(experiment.stages, start=1):
        _run_stage(network, stage, f"stage{number}", experiment, protocol, subjects, folder)
    return folder / "best.weights.h5"


def _run_stage(
    network: keras.Model,
    stage: Stage,
    name: str,
    experiment: Experiment,
    protocol: Protocol,
    subjects: Mapping[str, PreparedSubject],
    folder: Path,
) -> None:
    done = folder / name / "done.json"
    last = folder / name / "last.weights.h5"
    if done.exists():
        network.load_weights(last)
        return
    epochs = -(-stage.steps // stage.validate_every)
    sequence = PairSequence(
        [subjects[s].image_at(stage.spacing) for s in protocol.train],
        steps=stage.validate_every,
        seed=experiment.seed,
    )
    network.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(
                stage.learning_rate, stage.decay_every, stage.decay_factor, staircase=True
            ),
            beta_1=0.9,
            beta_2=0.999,
            weight_decay=stage.weight_decay,
        ),
        # XLA is 25 times slower than oneDNN at 3D convolutions on a CPU; the warps are compiled
        # by themselves. On JAX there is nothing but XLA.
        jit_compile=keras.backend.backend() == "jax",
    )
    started = time.time()
    (folder / name).mkdir(parents=True, exist_ok=True)
    network.fit(
        sequence,
        epochs=epochs,
        verbose=0,
        callbacks=[
            keras.callbacks.BackupAndRestore(
                str(folder / name / "backup"), delete_checkpoint=False
            ),
            keras.callbacks.TerminateOnNaN(),
            _Position(sequence),
            _validation(stage, name, protocol, subjects, folder),
            Throughput(epochs, stage.validate_every, name),
            keras.callbacks.CSVLogger(str(folder / name / "log.csv"), append=True),
            keras.callbacks.TensorBoard(str(folder / "tensorboard" / name), write_graph=False),
        ],
    )
    network.save_weights(last)
    record = {"steps": epochs * stage.validate_every, "seconds": round(time.time() - started, 1)}
    atomic_write_text(done, json.dumps(record, indent=1) + "\n")


def _validation(
    stage: Stage,
    name: str,
    protocol: Protocol,
    subjects: Mapping[str, PreparedSubject],
    folder: Path,
) -> ValidationDice:
    chosen = {s: subjects[s] for s in protocol.validation}
    images = {s: np.asarray(subject.image_at(stage.spacing)) for s, subject in chosen.items()}
    labels = {
        s: labels_on_grid(subject, images[s].shape, stage.spacing) for s, subject in chosen.items()
    }
    return ValidationDice(
        images, labels, protocol.pairs("validation"), list(protocol.labels), folder, name
    )


class _Position(keras.callbacks.Callback):
    """Tell the sequence at which epoch a restored run goes on."""

    def __init__(self, sequence: PairSequence) -> None:
        super().__init__()
        self.sequence = sequence

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Place the sequence."""
        self.sequence.start_at(epoch)
