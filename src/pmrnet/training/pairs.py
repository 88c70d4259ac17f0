"""Random ordered pairs of training subjects, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Sequence

import keras
import numpy as np


class PairSequence(keras.utils.PyDataset):
    """Batches of ordered (moving, fixed) pairs of different subjects.

    The pairs of an epoch depend on the seed and the epoch's number alone, so a resumed training
    sees what an uninterrupted one would have seen. All ordered pairs appear before one repeats.

    Parameters
    ----------
    images
        Images of shape (X, Y, Z), float32 in [0, 1], one per subject, in memory or mapped from
        disk; see `pmrnet.data.in_memory`.
    steps
        Batches per epoch.
    seed
        Seed of the order.
    batch_size
        Pairs per batch, 1 in the paper.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        steps: int,
        seed: int,
        batch_size: int = 1,
    ) -> None:
        super().__init__()
        self.images = [np.ascontiguousarray(image, dtype=np.float32) for image in images]
        self.steps = steps
        self.seed = seed
        self.batch_size = batch_size
        self.epoch = 0
        self.seconds = 0.0  #: spent on making batches since `start_at`
        count = len(self.images)
        self.pairs = [(m, f) for m in range(count) for f in range(count) if m != f]

    def __len__(self) -> int:
        return self.steps

    def start_at(self, epoch: int) -> None:
        """Go on with the pairs of this epoch (0-based)."""
        self.epoch = epoch
        self.seconds = 0.0

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's pairs."""
        self.epoch += 1

    def pair(self, position: int) -> tuple[int, int]:
        """Subjects (moving, fixed) at a position counted over all epochs."""
        cycle, offset = divmod(position, len(self.pairs))
        order = np.random.default_rng([self.seed, cycle]).permutation(len(self.pairs))
        return self.pairs[order[offset]]

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray]]:
        started = time.perf_counter()
        first = (self.epoch * self.steps + index) * self.batch_size
        pairs = [self.pair(first + i) for i in range(self.batch_size)]
        moving, fixed = (np.stack([self.images[pair[i]] for pair in pairs]) for i in (0, 1))
        self.seconds += time.perf_counter() - started
        return ({"moving": moving[..., None], "fixed": fixed[..., None]},)
