"""The page on uncertainty says what is stored."""

from pathlib import Path

from pmrnet.calibration.page import BEGIN, END, FIGURE, PAGE, load_calibrations, numbers

ROOT = Path(__file__).resolve().parents[2]


def test_numbers_are_the_stored_ones():
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    block = text.partition(BEGIN)[2].partition(END)[0]
    calibrations = load_calibrations(ROOT / "experiments")
    assert calibrations
    assert block.strip() == numbers(calibrations), "run `pmrnet calibrate --page-only`"
    assert (ROOT / FIGURE).is_file()
    assert FIGURE.name in text
