"""Sheets: all slices of a plane in one picture, which a page can hold as text."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 6

# Of grey pictures; their maps and lines are stored without loss.
_JPEG_QUALITY = 85


def layout(count: int) -> tuple[int, int]:
    """Columns and rows of a sheet of `count` slices."""
    columns = min(COLUMNS, count)
    return columns, -(-count // columns)


def offsets(count: int) -> list[tuple[str, str]]:
    """CSS background positions (across, down) that show each slice of a sheet.

    A position of p percent puts the point at p percent of the sheet on the point at p percent of
    the view.
    """
    columns, rows = layout(count)

    def percent(at: int, of: int) -> str:
        return f"{100 * at / max(1, of - 1):.4f}%"

    return [(percent(i % columns, columns), percent(i // columns, rows)) for i in range(count)]


def grey_sheet(slices: NDArray) -> str:
    """Encode grey pictures as a JPEG data URI.

    Parameters
    ----------
    slices
        Array (slices, rows, columns) of grey values in [0, 1]; what lies beyond is cut.
    """
    grey = np.rint(255 * np.clip(slices, 0, 1)).astype(np.uint8)
    return _data_uri(Image.fromarray(_mosaic(grey)), "JPEG", quality=_JPEG_QUALITY, optimize=True)


def palette_sheet(slices: NDArray, palette: NDArray) -> str:
    """Encode pictures of few colours as a PNG data URI, without loss.

    Parameters
    ----------
    slices
        Array (slices, rows, columns) of indices into the palette; unfilled places get index 0.
    palette
        Colours, uint8 (n, 4): red, green, blue and opacity; n at most 256.
    """
    image = Image.fromarray(_mosaic(slices.astype(np.uint8)))
    image.putpalette(palette[:, :3].tobytes())
    opacity = palette[:, 3].tobytes()
    return _data_uri(image, "PNG", transparency=opacity)


def _mosaic(slices: NDArray) -> NDArray:
    count, height, width = slices.shape
    columns, rows = layout(count)
    sheet = np.zeros((rows * columns, height, width), slices.dtype)
    sheet[:count] = slices
    sheet = sheet.reshape(rows, columns, height, width).swapaxes(1, 2)
    return np.ascontiguousarray(sheet.reshape(rows * height, columns * width))


def _data_uri(image: Image.Image, kind: str, **options: object) -> str:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{text}"
