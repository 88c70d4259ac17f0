"""Progress of a training: one line an epoch, and a stop where the loss is no longer finite."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text

_SCORES = {"val_dice": "validation Dice", "val_similarity": "validation similarity"}


class Progress(keras.callbacks.Callback):
    """Print progress in a form that reads well on a terminal and in a log file.

    Parameters
    ----------
    epochs, steps
        Length of the stage and of an epoch.
    stage
        Its name.
    score
        Key of the validation score in the logs.
    """

    def __init__(self, epochs: int, steps: int, stage: str, score: str = "val_dice") -> None:
        super().__init__()
        self.epochs, self.steps, self.stage, self.score = epochs, steps, stage, score

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Print the epoch's line."""
        logs = {} if logs is None else logs
        seconds = time.perf_counter() - self._started
        left = (self.epochs - epoch - 1) * seconds
        per_step = (seconds - logs.get("val_seconds", 0.0)) / self.steps
        logs["seconds_per_step"] = per_step
        print(
            f"{self.stage}  step {(epoch + 1) * self.steps}/{self.epochs * self.steps}  "
            f"loss {logs.get('loss', float('nan')):.3f}  "
            f"{_SCORES[self.score]} {logs.get(self.score, float('nan')):.4f}  "
            f"{per_step:.2f} s/step  {_clock(left)} left",
            file=sys.stderr,
            flush=True,
        )


class EpochLog(keras.callbacks.Callback):
    """Write the epochs' logs to a CSV file, one row an epoch.

    Unlike Keras' CSVLogger it is whole at any time, and an epoch that a resumed training repeats
    replaces its row.

    Parameters
    ----------
    path
        The file; rows of earlier epochs in it are kept.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the epoch's row."""
        rows = [{"epoch": epoch, **(logs or {})}]
        if self.path.is_file():
            with self.path.open(newline="") as file:
                rows = [r for r in csv.DictReader(file) if int(r["epoch"]) < epoch] + rows
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[-1]), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        atomic_write_text(self.path, text.getvalue())


class StopOnNaN(keras.callbacks.Callback):
    """Stop at the first step whose loss is not finite, naming the terms at fault."""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Check the running means, which one bad step makes NaN."""
        bad = [name for name, value in (logs or {}).items() if not np.isfinite(value)]
        if bad:
            raise InputError(
                f"step {batch + 1} of the epoch: expected a finite loss, found {', '.join(bad)} "
                "not finite; lower the learning rate, or check the images with `make data`."
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Check the weights, which the last step may have broken after its loss was found.

        This comes before they are kept: a checkpoint of them would replace the last good one.
        """
        for weight in self.model.trainable_variables:
            if not np.isfinite(ops.convert_to_numpy(weight)).all():
                raise InputError(
                    f"epoch {epoch + 1}: expected finite weights after its last step, found "
                    f"{weight.path} not finite; lower the learning rate in another run folder, or "
                    "start the training again, which repeats this epoch."
                )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:d}:{minutes:02d}:{seconds:02d}"
