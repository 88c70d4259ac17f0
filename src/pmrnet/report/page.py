"""The report as one HTML file."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib import resources
from pathlib import Path

from pmrnet.data.room import explained_writing
from pmrnet.errors import InputError
from pmrnet.files import atomic_write_text
from pmrnet.report.colour_scales import uncertainty_scale
from pmrnet.report.content import ReportContent
from pmrnet.report.element import Element, element, to_html
from pmrnet.report.layers import draw_layers
from pmrnet.report.legend import legend
from pmrnet.report.measures import measure
from pmrnet.report.pictures import pictures_section, sheet_style
from pmrnet.report.planes import choose_planes
from pmrnet.report.sections import (
    numbers_section,
    overlap_section,
    provenance_section,
    section,
    warnings_section,
)


def write_report(
    path: str | os.PathLike[str], content: ReportContent, radiological: bool = False
) -> Path:
    """Write the report of a registration: one HTML file with its pictures in it, atomically.

    Parameters
    ----------
    path
        File to write; one that is there is replaced.
    content
        What it shows.
    radiological
        Whether the brain's left is to be on the right of the pictures; by default it is on the
        left (neurological convention).

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If it is a folder, or its folder cannot be written to.
    """
    path, text = Path(path), report_page(content, radiological)
    if path.is_dir():
        raise InputError(f"{path}: expected a file's name for the report, found a folder; add one.")
    with explained_writing(path.parent, len(text)):
        atomic_write_text(path, text)
    return path


def report_page(content: ReportContent, radiological: bool = False) -> str:
    """Make the text of the report's file.

    Parameters
    ----------
    content, radiological
        As in `write_report`.
    """
    planes = choose_planes(content, radiological)
    uncertainty = None
    if content.uncertainty is not None:
        uncertainty = uncertainty_scale(content.uncertainty[content.brain])
    sheets = draw_layers(content, planes, uncertainty)
    title = f"Registration of {content.moving_name} to {content.fixed_name}"
    parts = [
        element(
            "header",
            element("h1", "Registration report"),
            _images(content),
        ),
        warnings_section(content.warnings),
        numbers_section({**measure(content), **content.metrics}),
        pictures_section(planes, uncertainty, radiological),
        section(
            "legend",
            "What the pictures show",
            legend(uncertainty is not None, content.metrics.get("uncertainty_temperature", 1)),
        ),
        overlap_section(content),
        provenance_section(content.provenance) if content.provenance else None,
    ]
    script = _asset("report.js")
    body = element("body", element("main", *(part for part in parts if part is not None)))
    body.append(element("script", script))
    return to_html(
        element(
            "html", _head(title, _asset("report.css"), sheet_style(sheets), script), body, lang="en"
        )
    )


def _head(title: str, style: str, pictures: str, script: str) -> Element:
    # Nothing may be loaded from anywhere, and no script may run but this one.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", style),
        element("style", pictures),
    )


def _images(content: ReportContent) -> Element:
    """Say which image is which."""
    return element(
        "dl",
        element("dt", "Fixed"),
        element("dd", content.fixed_name),
        element("dt", "Moving"),
        element("dd", content.moving_name),
        class_="names",
    )


def _asset(name: str) -> str:
    return resources.files("pmrnet.report").joinpath(name).read_text(encoding="utf-8")
