"""The methods of the tables: their order, their titles, and their rows in the paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Method:
    """How tables show a method.

    Attributes
    ----------
    title : str
        What a row calls it.
    paper : str or None
        Title of the row that the paper prints for it; None where it has none.
    trained : bool
        Whether it is trained on the data set of the table.
    trained_on : str or None
        The other data set whose weights it has.
    uses : str or None
        The network whose weights it has, where it uses them otherwise than they were trained.
    refined : bool
        Whether the network's answer is optimised for every pair, as `pmrnet register --refine`
        does it.
    passes : int or str or None
        How often the network looks, as by `pmrnet register --passes`; None for its own number.
    symmetric : bool
        Whether it looks in both directions, as by `pmrnet register --symmetric`.
    home : str or None
        The one data set whose table has it as trained there; None for all.
    """

    title: str
    paper: str | None = None
    trained: bool = True
    trained_on: str | None = None
    uses: str | None = None
    refined: bool = False
    passes: int | str | None = None
    symmetric: bool = False
    home: str | None = None


def _and_refined(
    name: str,
    title: str,
    paper: str | None = None,
    home: str | None = None,
    uses: str | None = None,
    passes: int | str | None = None,
    symmetric: bool = False,
) -> dict[str, Method]:
    """A network's row, or that of another use of it, and that of its answers optimised."""
    plain = Method(
        title,
        paper,
        trained=uses is None,
        uses=uses,
        passes=passes,
        symmetric=symmetric,
        home=home,
    )
    refined = replace(
        plain,
        title=f"{title}, refined",
        paper=None,
        trained=False,
        uses=uses or name,
        refined=True,
    )
    return {name: plain, f"{name}-refined": refined}


def _looking(uses: str, title: str, passes: int | str) -> Method:
    """Another use of a network's weights: it looks so often, which nothing was trained for."""
    return Method(title, trained=False, uses=uses, passes=passes, home="lpba40")


#: in the order of the tables, by the name of the experiment
METHODS = {
    "none": Method("No registration", trained=False),
    "affine": Method("Affine", trained=False),
    "syn": Method("ANTs SyN", trained=False),
    "syn-cc": Method("ANTs SyN, cross-correlation", trained=False),
    "utilzreg": Method("UtilzReg", "UtilzReg", trained=False),
    "voxelmorph": Method("VoxelMorph", "VoxelMorph"),
    "voxelmorph-1mm": Method("VoxelMorph, then 1 mm", home="lpba40"),
    "faim": Method("FAIM", "FAIM"),
    "baseline1": Method("Baseline-1", "Baseline-1"),
    "baseline1-1mm": Method("Baseline-1, then 1 mm", home="lpba40"),
    "baseline1-deep": Method("Baseline-1, deeper posterior", home="lpba40"),
    "baseline1-grown": Method("Baseline-1, deeper posterior, grown to 1 mm", home="lpba40"),
    "baseline2": Method("Baseline-2", "Baseline-2"),
    "baseline2-1mm": Method("Baseline-2, then 1 mm", home="lpba40"),
    "pmrnet-no-levels": Method("PMR-Net, no feature-level terms"),
    "pmrnet-no-levels-1mm": Method("PMR-Net, no feature-level terms, then 1 mm", home="lpba40"),
    "pmrnet-no-levels-deep": Method(
        "PMR-Net, deeper posteriors, no feature-level terms", home="lpba40"
    ),
    "pmrnet-no-levels-grown": Method(
        "PMR-Net, deeper posteriors, no feature-level terms, grown to 1 mm", home="lpba40"
    ),
    "pmrnet-no-levels-grown-two-passes": Method(
        "PMR-Net, deeper posteriors, no feature-level terms, grown to 1 mm, two passes",
        home="lpba40",
    ),
    "pmrnet-released": Method("PMR-Net as the authors released it"),
    **_and_refined("pmrnet", "PMR-Net", "Our Method"),
    "pmrnet-1mm": Method("PMR-Net, then 1 mm", home="lpba40"),
    **_and_refined("pmrnet-deep", "PMR-Net, deeper posteriors"),
    "pmrnet-grown": Method("PMR-Net, deeper posteriors, grown to 1 mm", home="lpba40"),
    "pmrnet-grown-two-passes": Method(
        "PMR-Net, deeper posteriors, grown to 1 mm, two passes", home="lpba40"
    ),
    "pmrnet-grown-coarse-to-fine": Method(
        "PMR-Net, deeper posteriors, grown to 1 mm, a coarse and two passes", home="lpba40"
    ),
    "pmrnet-grown-coarse-to-fine-three-passes": _looking(
        "pmrnet-grown-coarse-to-fine",
        "PMR-Net, deeper posteriors, grown to 1 mm, a coarse and three passes",
        3,
    ),
    "pmrnet-grown-coarse-to-fine-six-passes": _looking(
        "pmrnet-grown-coarse-to-fine",
        "PMR-Net, deeper posteriors, grown to 1 mm, two coarse and four passes",
        "2+4",
    ),
    **_and_refined("pmrnet-plus", "PMR-Net plus"),
    **_and_refined(
        "pmrnet-plus-labels", "PMR-Net plus, training subjects' labels too", home="lpba40"
    ),
    "pmrnet-plus-labels-three-passes": Method(
        "PMR-Net plus, training subjects' labels too, three passes", home="lpba40"
    ),
    "pmrnet-plus-labels-augmented": Method(
        "PMR-Net plus, training subjects' labels too, three passes, augmented", home="lpba40"
    ),
    **_and_refined("general", "PMR-Net plus, general-purpose weights", home="lpba40"),
    **_and_refined(
        "general-three-passes",
        "PMR-Net plus, general-purpose weights, three passes",
        home="lpba40",
        uses="general",
        passes=3,
    ),
    **_and_refined(
        "general-three-passes-symmetric",
        "PMR-Net plus, general-purpose weights, three passes, both directions",
        home="lpba40",
        uses="general",
        passes=3,
        symmetric=True,
    ),
    **_and_refined("general-1mm", "PMR-Net plus, general-purpose 1 mm weights", home="lpba40"),
    "general-1mm-three-passes": _looking(
        "general-1mm",
        "PMR-Net plus, general-purpose 1 mm weights, three passes",
        3,
    ),
    "general-1mm-coarse-to-fine": _looking(
        "general-1mm",
        "PMR-Net plus, general-purpose 1 mm weights, a coarse and three passes",
        "1+3",
    ),
}

#: the methods that the others of a table are compared with, the table's own first
REFERENCES = (
    "pmrnet",
    "syn",
    "syn-cc",
    "utilzreg",
    "voxelmorph",
    "pmrnet-refined",
    "pmrnet-1mm",
    "pmrnet-deep",
    "pmrnet-grown",
    "pmrnet-grown-two-passes",
    "pmrnet-grown-coarse-to-fine",
    "pmrnet-plus-labels-refined",
    "general-three-passes",
    "general-three-passes-refined",
    "general-1mm-coarse-to-fine",
    "general-three-passes@lpba40",
    "general-three-passes-refined@lpba40",
    "general-1mm-coarse-to-fine@lpba40",
)

#: methods that figures show where none is named: the paper's, the rivals, and ours at their best
SHOWN = (
    "none",
    "affine",
    "syn",
    "syn-cc",
    "utilzreg",
    "voxelmorph",
    "faim",
    "baseline1",
    "baseline2",
    "pmrnet-no-levels",
    "pmrnet-released",
    "pmrnet",
    "pmrnet-refined",
    "pmrnet-grown-coarse-to-fine-three-passes",
    "pmrnet-plus",
    "pmrnet-plus-labels-augmented",
    "general-three-passes",
    "general-three-passes-refined",
)

#: methods that compute no deformation, and how labels are aligned for them
ALIGNMENTS = {"none": "header", "affine": "affine"}

#: what titles call the data sets whose weights are tried on others
_DATA_SETS = {"lpba40": "LPBA40", "mindboggle": "Mindboggle-101", "oasis-trt": "OASIS-TRT-20"}


def trained_elsewhere(method: str, dataset: str) -> str:
    """Name of a method with the weights that it has from another data set: pmrnet@lpba40."""
    return f"{method}@{dataset}"


def split_name(name: str) -> tuple[str, str | None]:
    """Undo `trained_elsewhere`: the method's name and the data set's, None where none is named."""
    method, _, dataset = name.partition("@")
    return (method, dataset) if method and dataset else (name, None)


def in_order(methods: Iterable[str]) -> list[str]:
    """Sort methods as tables list them.

    Parameters
    ----------
    methods : iterable of str

    Returns
    -------
    list of str
        Every method once: known ones in the order of `METHODS`, then others by name. One that is
        trained elsewhere follows the same one trained here.
    """
    places = {name: place for place, name in enumerate(METHODS)}

    def key(name: str) -> tuple[int, str, str]:
        method, dataset = split_name(name)
        return places.get(method, len(places)), method, dataset or ""

    return sorted(set(methods), key=key)


def method_of(name: str) -> Method:
    """Return how tables show a method; one that is not known is called by its name."""
    method, dataset = split_name(name)
    if dataset is None:
        return METHODS.get(name, Method(name))
    here = method_of(method)
    title = f"{here.title}, trained on {_DATA_SETS.get(dataset, dataset)}"
    return replace(here, title=title, paper=None, trained=False, trained_on=dataset, home=None)
