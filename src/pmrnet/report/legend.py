"""What explains the pictures of a report: texts and colour bars."""

from __future__ import annotations

from collections.abc import Sequence

from pmrnet.report.colour_scales import FOLDING_CSS, ColourScale
from pmrnet.report.element import Element, element
from pmrnet.report.layers import GRID_STEP

_AS_IT_IS = "It is what the network says, fitted to no errors: real ones are many times larger."
_FITTED = "It says how large errors are on the whole, and little about where they are."
_GREY = "linear-gradient(to right,#000,#fff)"
_GREY_TICKS = (("fixed darker", 0.0), ("equal", 0.5), ("fixed brighter", 1.0))


def legend(uncertainty: bool, temperature: float = 1.0) -> Element:
    """Explain every kind of picture.

    Parameters
    ----------
    uncertainty
        Whether there is a map of it.
    temperature
        Of the uncertainty; 1 is what the network says, fitted to nothing.
    """
    swatch = element("span", class_="swatch", style=f"background:{FOLDING_CSS}")
    items = [
        _entry(
            "Differences",
            "Fixed minus moving (before) and fixed minus moved (after), on one grey scale, which "
            "the largest differences exceed. After a good registration, the picture is nearly all "
            "mid-grey.",
            _bar(_GREY, _GREY_TICKS),
        ),
        _entry(
            "Deformed grid",
            f"Lines {GRID_STEP:g} mm apart that are straight in the moving image, over the moved "
            "image. They should bend gently, and neither touch nor cross.",
        ),
        _entry(
            "Jacobian determinant",
            "How many times larger than in the fixed image a place is in the moving one, beyond "
            "the affine alignment: red above 1, blue below, on a logarithmic scale, in the fixed "
            "brain.",
            element(
                "p",
                swatch,
                " Folding (0 or less) anywhere between a slice and its neighbours, drawn larger "
                "than it is.",
            ),
        ),
    ]
    if uncertainty:
        items.append(
            _entry(
                "Uncertainty",
                "Standard deviation of the point in the moving image, all three directions "
                "together, in mm of that image, shown in the fixed brain. "
                + (_AS_IT_IS if temperature == 1 else _FITTED)
                + " A regular pattern is the network's coarse grid, no anatomy.",
            )
        )
    return element("div", *items, class_="entries")


def colour_bar(scale: ColourScale, unit: str = "") -> Element:
    """Make the colour bar of a scale.

    Parameters
    ----------
    scale
        Colours and ticks.
    unit
        What follows the last tick.
    """
    *rest, (last, place) = scale.ticks
    return _bar(scale.gradient(), (*rest, (f"{last} {unit}".strip(), place)))


def _entry(title: str, text: str, *more: Element) -> Element:
    return element("div", element("h3", title), element("p", text), *more, class_="entry")


def _bar(gradient: str, ticks: Sequence[tuple[str, float]]) -> Element:
    labels = [
        element("span", text, style=f"--at:{place:.4f}", class_="tick") for text, place in ticks
    ]
    colours = element("div", class_="colours", style=f"background:{gradient}")
    return element("div", colours, element("div", *labels, class_="ticks"), class_="bar")
