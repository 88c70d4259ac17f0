"""The quality-control report of a registration: one HTML file that needs nothing else.

`write_report` writes it from a `ReportContent`, arrays on one grid with RAS+ axes; `display_grid`
and `to_display_grid` bring images of the fixed space there, and `quality_warnings` looks for what
most often goes wrong.
"""

from pmrnet.report.content import ReportContent
from pmrnet.report.display_grid import DisplayGrid, display_grid, to_display_grid
from pmrnet.report.measures import measure
from pmrnet.report.page import write_report
from pmrnet.report.warnings import quality_warnings

__all__ = [
    "DisplayGrid",
    "ReportContent",
    "display_grid",
    "measure",
    "quality_warnings",
    "to_display_grid",
    "write_report",
]
