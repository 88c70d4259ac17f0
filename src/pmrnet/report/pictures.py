"""The pictures' part of a report: controls, planes, panels and colour bars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pmrnet.report.colour_scales import ColourScale, jacobian_scale
from pmrnet.report.element import Element, element
from pmrnet.report.legend import colour_bar
from pmrnet.report.planes import Plane
from pmrnet.report.sections import section
from pmrnet.report.sheets import layout, offsets

# Layers of each panel from the lowest to the topmost, and what is written under it.
# In rows of four or of two, before and after are neighbours.
_PANELS = {
    "fixed": (("fixed",), "Fixed"),
    "moving": (("moving",), "Moving (before)"),
    "moved": (("moved",), "Moved (after)"),
    "grid": (("moved", "grid"), "Deformed grid"),
    "before": (("before",), "Difference before"),
    "after": (("after",), "Difference after"),
    "jacobian": (("jacobian",), "Jacobian"),
    "uncertainty": (("uncertainty",), "Uncertainty"),
}


def pictures_section(
    planes: Sequence[Plane], uncertainty: ColourScale | None, mirrored: bool
) -> Element:
    """Make the controls and the three planes.

    Parameters
    ----------
    planes
        What was drawn.
    uncertainty
        Scale of the uncertainty, None if there is none.
    mirrored
        Whether left is on the right.
    """
    side, name = ("right", "Radiological") if mirrored else ("left", "Neurological")
    convention = (
        f"{name} convention: in axial and coronal slices, the left (L) of the brain is on the "
        f"{side} of the picture. In sagittal slices, the front (A) is on the right."
    )
    unscripted = element(
        "p",
        "Without scripts the page shows the middle slices only, and fixed and moved image half and "
        "half.",
    )
    bars = {"jacobian": colour_bar(jacobian_scale())}
    if uncertainty is not None:
        bars["uncertainty"] = colour_bar(uncertainty, "mm")
    return section(
        "pictures",
        "The images",
        element("p", convention, class_="convention"),
        element("noscript", unscripted),
        _choice(),
        _blend(),
        *(_plane(plane, bars) for plane in planes),
    )


def sheet_style(sheets: dict[tuple[str, str], str]) -> str:
    """CSS rules that give each layer of each plane its sheet.

    Parameters
    ----------
    sheets
        Data URIs by the names of plane and layer.
    """
    return "\n".join(
        f".{plane} .{layer}{{background-image:url({uri})}}"
        for (plane, layer), uri in sheets.items()
    )


def _choice() -> Element:
    """Make the choice of the image that is blended with the fixed one."""
    choices = [
        element(
            "label",
            element("input", type="radio", name="other", value=value, checked=value == "moved"),
            text,
        )
        for value, text in (("moved", "moved (after)"), ("moving", "moving (before)"))
    ]
    legend_ = element("legend", "Blend the fixed image with")
    return element("fieldset", legend_, *choices, class_="choice")


def _blend() -> Element:
    """Make the slider between the two images, and the button that swaps them by itself."""
    slider = element(
        "input",
        type="range",
        id="blend",
        min="0",
        max="100",
        value="50",
        aria_label="Blend from the fixed image to the other one",
    )
    button = element("button", "Flicker", type="button", id="flicker", aria_pressed="false")
    return element(
        "div",
        element("span", "Fixed"),
        slider,
        element("span", "Moved", id="other"),
        button,
        class_="blend",
        role="group",
        aria_label="Blend",
    )


def _plane(plane: Plane, bars: Mapping[str, Element]) -> Element:
    positions = offsets(len(plane.slabs))
    slices = [
        {"x": x, "y": y, "text": f"{title} ({i}/{len(positions)})"}
        for i, ((x, y), title) in enumerate(zip(positions, plane.titles, strict=True), start=1)
    ]
    middle = len(slices) // 2
    columns, rows = layout(len(slices))
    name = f"{plane.name}-title"
    slider = element(
        "input",
        type="range",
        class_="slice",
        min="0",
        max=str(len(slices) - 1),
        value=str(middle),
        aria_label=f"{plane.name.capitalize()} slice",
    )
    panels = [_panel(plane, "blend", ("fixed", "moved over", "moving over"), "Fixed and moved")]
    panels += [
        _panel(plane, kind, layers, caption, bars.get(kind))
        for kind, (layers, caption) in _PANELS.items()
        if kind != "uncertainty" or kind in bars
    ]
    style = (
        f"--x:{slices[middle]['x']};--y:{slices[middle]['y']};"
        f"--sheet:{100 * columns}% {100 * rows}%;--aspect:{plane.aspect:.5f}"
    )
    return element(
        "article",
        element("h3", plane.name.capitalize(), id=name),
        element("div", slider, element("output", slices[middle]["text"]), class_="slice-slider"),
        element("div", *panels, class_="panels"),
        class_=f"plane {plane.name}",
        style=style,
        data_slices=json.dumps(slices),
        aria_labelledby=name,
    )


def _panel(
    plane: Plane, kind: str, layers: Sequence[str], caption: str, bar: Element | None = None
) -> Element:
    pictures = [element("div", class_=f"sheet {layer}") for layer in layers]
    marks = [
        element("span", letter, class_=f"mark {edge}", aria_hidden="true")
        for edge, letter in plane.marks.items()
    ]
    label = f"{caption}: {plane.name} slice"
    view = element("div", *pictures, *marks, class_="view", role="img", aria_label=label)
    caption_ = element("figcaption", element("span", caption, class_="caption"))
    if bar is not None:
        caption_.append(bar)
    return element("figure", view, caption_, class_=f"panel panel-{kind}")
