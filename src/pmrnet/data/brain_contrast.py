"""Whether there is a brain in what an image and its mask leave."""

from __future__ import annotations

from pmrnet.data.volume import Volume
from pmrnet.errors import InputError


def check_contrast(brain: Volume, image: object, mask: object = None) -> None:
    """Refuse a brain without voxels or without contrast.

    Parameters
    ----------
    brain
        Zero outside the brain.
    image, mask
        Where it is from, for the message; no mask if there was none.

    Raises
    ------
    InputError
        If all is zero, or there is one value besides.
    """
    values = brain.data[brain.data != 0]
    if values.size and values.min() != values.max():
        return
    found = "only zeros" if values.size == 0 else f"only the value {values[0]:g}"
    where = "it" if mask is None else f"the mask {mask}"
    raise InputError(
        f"{image}: expected a brain with contrast inside {where}, found {found}; give the T1 image "
        "and a mask that belongs to it."
    )
