"""Random ordered pairs of training subjects, batch by batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import keras
import numpy as np

from pmrnet.data.augmentation import Augmentation
from pmrnet.training.label_channels import label_channels


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
    groups
        Per image, which data set it is of: a pair is of one. All are of one by default.
    augmentation
        Random changes of the images; None for none. They follow from the seed and the position of
        the pair, too.
    labels
        Label maps of the images, (X, Y, Z); batches then hold `moving_labels` and `fixed_labels`,
        uint8 (batch, X, Y, Z, labels_per_pair), see `pmrnet.training.label_channels`.
    labels_per_pair
        Labels that are drawn for a pair.
    workers
        Threads that make batches ahead, beyond one; what they make does not depend on it.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        steps: int,
        seed: int,
        batch_size: int = 1,
        groups: Sequence[int] | None = None,
        augmentation: Augmentation | None = None,
        labels: Sequence[np.ndarray] | None = None,
        labels_per_pair: int = 0,
        workers: int = 1,
    ) -> None:
        # Threads: what changes images and labels is NumPy and SciPy, which let others run.
        super().__init__(workers=workers)
        self.images = [np.ascontiguousarray(image, dtype=np.float32) for image in images]
        self.steps = steps
        self.seed = seed
        self.batch_size = batch_size
        self.epoch = 0
        self.seconds = 0.0  #: on making batches since `start_at`, of all threads
        self._counting = threading.Lock()
        count = len(self.images)
        groups = [0] * count if groups is None else list(groups)
        self.pairs = [
            (m, f) for m in range(count) for f in range(count) if m != f and groups[m] == groups[f]
        ]
        self.augmentation = augmentation
        self.labels, self.labels_per_pair = labels, labels_per_pair
        self._present = [np.unique(found[found != 0]) for found in labels or ()]

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
        samples = [self._sample(*pair, first + i) for i, pair in enumerate(pairs)]
        batch = {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}
        taken = time.perf_counter() - started
        with self._counting:
            self.seconds += taken
        return (batch,)

    def _sample(self, moving: int, fixed: int, position: int) -> dict[str, np.ndarray]:
        images = self.images[moving], self.images[fixed]
        maps = (self.labels[moving], self.labels[fixed]) if self.labels is not None else None
        if self.augmentation is not None:
            rng = np.random.default_rng([self.seed, position, 1])
            images, maps = self.augmentation.pair(images, rng, maps)
        sample = dict(zip(("moving", "fixed"), (image[..., None] for image in images), strict=True))
        if maps is not None:
            rng = np.random.default_rng([self.seed, position, 2])
            present = np.union1d(self._present[moving], self._present[fixed])
            channels = label_channels(*maps, present, self.labels_per_pair, rng)
            sample |= zip(("moving_labels", "fixed_labels"), channels, strict=True)
        return sample
