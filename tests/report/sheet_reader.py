"""Sheets of slices read as a browser does."""

import base64
import io

from PIL import Image


def decode(uri):
    kind, _, text = uri.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(text, validate=True)))
    assert kind == f"data:image/{image.format.lower()}"
    return image


def cell(sheet, offset, height, width):
    """What a view of one slice's size shows when the sheet's position is in percent."""
    left, top = (
        float(text.removesuffix("%")) / 100 * (whole - part)
        for text, whole, part in zip(
            offset, (sheet.shape[1], sheet.shape[0]), (width, height), strict=True
        )
    )
    left, top = round(left), round(top)
    return sheet[top : top + height, left : left + width]
