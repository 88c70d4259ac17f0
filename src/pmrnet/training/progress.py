"""One line an epoch: step, loss, validation Dice, throughput and time left."""

from __future__ import annotations

import sys
import time

import keras


class Throughput(keras.callbacks.Callback):
    """Print progress in a form that reads well on a terminal and in a log file.

    Parameters
    ----------
    epochs, steps
        Length of the stage and of an epoch.
    stage
        Its name.
    """

    def __init__(self, epochs: int, steps: int, stage: str) -> None:
        super().__init__()
        self.epochs, self.steps, self.stage = epochs, steps, stage

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Print the epoch's line."""
        logs = logs or {}
        seconds = time.perf_counter() - self._started
        left = (self.epochs - epoch - 1) * seconds
        per_step = (seconds - logs.get("val_seconds", 0.0)) / self.steps
        if logs is not None:
            logs["seconds_per_step"] = per_step
        print(
            f"{self.stage}  step {(epoch + 1) * self.steps}/{self.epochs * self.steps}  "
            f"loss {logs.get('loss', float('nan')):.3f}  "
            f"validation Dice {logs.get('val_dice', float('nan')):.4f}  "
            f"{per_step:.2f} s/step  {_clock(left)} left",
            file=sys.stderr,
            flush=True,
        )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:d}:{minutes:02d}:{seconds:02d}"
