"""Keeping the weights of the epoch that scores best on the validation pairs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import keras
import numpy as np

from pmrnet.errors import InputError
from pmrnet.files import atomic_path, atomic_write_text


class KeepBest(keras.callbacks.Callback):
    """At each epoch's end, score the network and keep its weights if they are the best so far.

    Adds the score and ``val_seconds``, the time that scoring took, to the epoch's logs. Subclasses
    name their score by `key` and implement `score`.

    Parameters
    ----------
    folder
        Where `best.weights.h5` and `best.json` go.
    record
        Recorded with the best weights: stage and spacing.
    """

    #: name of the score in the logs and in `best.json`
    key: str

    def __init__(self, folder: Path, record: dict[str, object]) -> None:
        super().__init__()
        self.folder, self.record = Path(folder), dict(record)

    def score(self) -> float:
        """Score of the current weights; larger is better."""
        raise NotImplementedError

    @property
    def best(self) -> float:
        """Best score so far, minus infinity if none; it survives a kill, as it is read from disk.

        Raises
        ------
        InputError
            If the best weights so far were chosen by another score.
        """
        path = self.folder / "best.json"
        try:
            best = json.loads(path.read_text())
        except FileNotFoundError:
            return -np.inf
        if self.key not in best:
            found = next((key for key in best if key.startswith("val_")), "none")
            raise InputError(
                f"{path}: expected the best {self.key} so far, found {found}, so the labels of "
                "the data set were added or removed during the training; move the folder away to "
                "train anew, or restore the data set's file to go on."
            )
        return best[self.key]

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuse early what another score has chosen, not after an epoch's work."""
        _ = self.best

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Score, log and keep the best."""
        started = time.perf_counter()
        score = self.score()
        if logs is not None:
            logs[self.key] = score
            logs["val_seconds"] = time.perf_counter() - started
        if score > self.best:
            with atomic_path(self.folder / "best.weights.h5") as temporary:
                self.model.save_weights(temporary)
            record = {self.key: score, **self.record, "epoch": epoch + 1}
            atomic_write_text(self.folder / "best.json", json.dumps(record, indent=1) + "\n")


def as_batch(image: np.ndarray) -> np.ndarray:
    """Image (X, Y, Z) as the networks take it: float32 (1, X, Y, Z, 1)."""
    return np.asarray(image, dtype=np.float32)[None, ..., None]
