import numpy as np
import pytest
from sheet_reader import cell, decode

from pmrnet.report.sheets import grey_sheet, layout, offsets, palette_sheet


@pytest.mark.parametrize("count", [1, 5, 6, 7, 24])
def test_every_offset_shows_its_slice(count):
    rng = np.random.default_rng(0)
    slices = rng.integers(0, 5, (count, 7, 9))
    palette = rng.integers(0, 256, (5, 4)).astype(np.uint8)
    sheet = np.asarray(decode(palette_sheet(slices, palette)).convert("RGBA"))
    columns, rows = layout(count)
    assert sheet.shape == (7 * rows, 9 * columns, 4)
    positions = offsets(count)
    assert len(positions) == count
    for picture, offset in zip(slices, positions, strict=True):
        np.testing.assert_array_equal(cell(sheet, offset, 7, 9), palette[picture])


def test_grey_values():
    steps = np.linspace(-0.2, 1.2, 24)
    slices = np.broadcast_to(steps[:, None, None], (24, 16, 16))
    image = decode(grey_sheet(slices))
    assert image.format == "JPEG"
    assert image.mode == "L"
    sheet = np.asarray(image).astype(float)
    for value, offset in zip(steps, offsets(24), strict=True):
        expected = 255 * min(max(value, 0), 1)
        np.testing.assert_allclose(cell(sheet, offset, 16, 16), expected, atol=2)
