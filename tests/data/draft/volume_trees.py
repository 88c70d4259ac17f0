"""Folders of small volumes, laid out as people lay out theirs."""

import nibabel as nib
import numpy as np

SHAPE = (14, 16, 18)
AFFINE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.2, -0.1, 0.3) @ np.diag([1.0, 1.5, 2.0]), (-7, -12, -18)
)
BRAIN = (slice(3, 11), slice(3, 13), slice(4, 14))


def brain(seed=0, shape=SHAPE):
    """A noisy brain in whole numbers, as most scanners give them, 0 outside."""
    data = np.zeros(shape, np.int16)
    data[BRAIN] = np.random.default_rng(seed).integers(200, 900, data[BRAIN].shape)
    return data


def head(seed=0, shape=SHAPE):
    """The same with something everywhere outside."""
    return np.where(brain(seed, shape) == 0, 7, brain(seed, shape)).astype(np.int16)


def parcels(labels=(1, 2, 3), shape=SHAPE):
    """Slabs of labels across the brain."""
    data = np.zeros(shape, np.int32)
    slab = np.zeros(data[BRAIN].shape, np.int32)
    for part, label in zip(
        np.array_split(np.arange(slab.shape[2]), len(labels)), labels, strict=True
    ):
        slab[..., part] = label
    data[BRAIN] = slab
    return data


def mask(shape=SHAPE):
    return (brain(0, shape) > 0).astype(np.uint8)


def write(path, data, affine=AFFINE):
    """Write by the ending, with nibabel alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif path.suffix == ".mgz":
        nib.save(nib.MGHImage(data, affine), path)
    elif path.suffix in (".img", ".hdr"):
        nib.save(nib.Spm2AnalyzeImage(data.astype(np.int16), np.diag([1, 1.5, 2, 1])), path)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **data)
    else:
        nib.save(nib.Nifti1Image(data, affine), path)


def subjects(root, names, *forms):
    """Write each form, a pair of a path with `{}` for the name and a function of a seed."""
    for number, name in enumerate(names):
        for form, make in forms:
            write(root / form.format(name), make(number))
    return root
