"""The paper's figures: each module has a function that takes data and returns a Figure.

`pmrnet.figures.material` finds the data, `pmrnet.figures.files` writes all figures of a data set.
"""

from pmrnet.figures.comparison import draw_comparison
from pmrnet.figures.dice_boxes import draw_dice_boxes
from pmrnet.figures.latents import draw_latents
from pmrnet.figures.network_diagram import draw_network
from pmrnet.figures.posteriors import draw_posteriors

__all__ = [
    "draw_comparison",
    "draw_dice_boxes",
    "draw_latents",
    "draw_network",
    "draw_posteriors",
]
