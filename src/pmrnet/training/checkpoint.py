"""The state of a stage after each epoch, in one file that is whole at any time."""

from __future__ import annotations

from pathlib import Path

import keras

from pmrnet.errors import InputError
from pmrnet.files import atomic_path


class Checkpoint(keras.callbacks.Callback):
    """Write weights and optimizer after each epoch, for `resume`.

    Keras' BackupAndRestore writes two files in place, of which a kill may leave half, and makes a
    network that goes on in one stage skip the beginning of the next.

    Parameters
    ----------
    path
        The file; it ends in ``.weights.h5``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write it."""
        with atomic_path(self.path) as temporary:
            self.model.save_weights(temporary)


def resume(network: keras.Model, path: Path, epoch_steps: int) -> int:
    """Bring a compiled network to the state of a checkpoint, if there is one.

    Parameters
    ----------
    network
        Its optimizer has its variables.
    path
        What `Checkpoint` wrote.
    epoch_steps
        Steps of an epoch.

    Returns
    -------
    int
        Number of the epoch to go on with; 0 without a checkpoint.

    Raises
    ------
    InputError
        If the file is damaged or of another network.
    """
    if not path.is_file():
        return 0
    load_state(network, path, "delete it to begin the stage again")
    # By the optimizer's own count: no second file could disagree with it.
    return int(network.optimizer.iterations) // epoch_steps


def load_state(network: keras.Model, path: Path, remedy: str) -> None:
    """Load weights that this training wrote.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another network; it ends with the remedy.
    """
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        found = "a damaged file or another network's" if path.is_file() else "none"
        raise InputError(
            f"{path}: expected the state of this training, found {found} "
            f"({str(error).splitlines()[0]}); {remedy}."
        ) from error
