"""What an epoch draws at random follows from its number, so that a resumed training repeats it."""

from __future__ import annotations

import keras
import numpy as np

from pmrnet.training.pairs import PairSequence


def stage_seed(seed: int, number: int) -> int:
    """Seed of a training's stage (1, 2, ...): the first has the training's, others draw anew."""
    return seed if number == 1 else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


class EpochPosition(keras.callbacks.Callback):
    """At each epoch's beginning, place the pairs and restart the posterior's sampler.

    Weights and the optimizer's state come back from a backup; a generator's state does not.

    Parameters
    ----------
    sequence
        The training pairs.
    seed
        Seed of the stage.
    """

    def __init__(self, sequence: PairSequence, seed: int) -> None:
        super().__init__()
        self.sequence, self.seed = sequence, seed

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Place and restart."""
        self.sequence.start_at(epoch)
        self.model.sampler.reset(self.seed, epoch)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Log `input_seconds`, what making the epoch's batches took, all threads together."""
        if logs is not None:
            logs["input_seconds"] = self.sequence.seconds
