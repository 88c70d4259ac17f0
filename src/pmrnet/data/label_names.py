"""Names of labels by number, for the two numberings that are told by the numbers alone.

FreeSurfer's are those of its file FreeSurferColorLUT.txt, which Desikan-Killiany and DKT share.
LPBA40's are of Shattuck et al. (NeuroImage 2008): odd numbers left, even ones right.
"""

from __future__ import annotations

from collections.abc import Collection

_LPBA40_LEFT = {
    21: "superior frontal gyrus",
    23: "middle frontal gyrus",
    25: "inferior frontal gyrus",
    27: "precentral gyrus",
    29: "middle orbitofrontal gyrus",
    31: "lateral orbitofrontal gyrus",
    33: "gyrus rectus",
    41: "postcentral gyrus",
    43: "superior parietal gyrus",
    45: "supramarginal gyrus",
    47: "angular gyrus",
    49: "precuneus",
    61: "superior occipital gyrus",
    63: "middle occipital gyrus",
    65: "inferior occipital gyrus",
    67: "cuneus",
    81: "superior temporal gyrus",
    83: "middle temporal gyrus",
    85: "inferior temporal gyrus",
    87: "parahippocampal gyrus",
    89: "lingual gyrus",
    91: "fusiform gyrus",
    101: "insular cortex",
    121: "cingulate gyrus",
    161: "caudate",
    163: "putamen",
    165: "hippocampus",
}
LPBA40 = {
    **{label: f"left {name}" for label, name in _LPBA40_LEFT.items()},
    **{label + 1: f"right {name}" for label, name in _LPBA40_LEFT.items()},
    181: "cerebellum",
    182: "brain stem",
}

_BOTH_SIDES = {  # left and right number
    (2, 41): "cerebral white matter",
    (3, 42): "cerebral cortex",
    (4, 43): "lateral ventricle",
    (5, 44): "inferior lateral ventricle",
    (7, 46): "cerebellar white matter",
    (8, 47): "cerebellar cortex",
    (10, 49): "thalamus",
    (11, 50): "caudate",
    (12, 51): "putamen",
    (13, 52): "pallidum",
    (17, 53): "hippocampus",
    (18, 54): "amygdala",
    (26, 58): "accumbens area",
    (28, 60): "ventral diencephalon",
    (30, 62): "vessel",
    (31, 63): "choroid plexus",
    (78, 79): "white matter hypointensities",
    (81, 82): "hypointensities outside the white matter",
}
_MIDDLE = {
    14: "third ventricle",
    15: "fourth ventricle",
    16: "brain stem",
    24: "cerebrospinal fluid",
    72: "fifth ventricle",
    77: "white matter hypointensities",
    80: "hypointensities outside the white matter",
    85: "optic chiasm",
    251: "posterior corpus callosum",
    252: "mid-posterior corpus callosum",
    253: "central corpus callosum",
    254: "mid-anterior corpus callosum",
    255: "anterior corpus callosum",
}
_CORTEX = (  # from 1 on; 1000 is added on the left, 2000 on the right
    "banks of the superior temporal sulcus",
    "caudal anterior cingulate",
    "caudal middle frontal",
    "corpus callosum",
    "cuneus",
    "entorhinal",
    "fusiform",
    "inferior parietal",
    "inferior temporal",
    "isthmus cingulate",
    "lateral occipital",
    "lateral orbitofrontal",
    "lingual",
    "medial orbitofrontal",
    "middle temporal",
    "parahippocampal",
    "paracentral",
    "pars opercularis",
    "pars orbitalis",
    "pars triangularis",
    "pericalcarine",
    "postcentral",
    "posterior cingulate",
    "precentral",
    "precuneus",
    "rostral anterior cingulate",
    "rostral middle frontal",
    "superior frontal",
    "superior parietal",
    "superior temporal",
    "supramarginal",
    "frontal pole",
    "temporal pole",
    "transverse temporal",
    "insula",
)
FREESURFER = {
    **{left: f"left {name}" for (left, _), name in _BOTH_SIDES.items()},
    **{right: f"right {name}" for (_, right), name in _BOTH_SIDES.items()},
    **_MIDDLE,
    **{1000 + i: f"left {name}" for i, name in enumerate(_CORTEX, start=1)},
    **{2000 + i: f"right {name}" for i, name in enumerate(_CORTEX, start=1)},
}
#: FreeSurfer's numbers for what is no region
NO_REGION = frozenset({1000, 2000})

# Both sides of thalamus, caudate, putamen, pallidum, hippocampus and amygdala.
_DEEP = frozenset({10, 11, 12, 13, 17, 18, 49, 50, 51, 52, 53, 54})
# So many of the numbers must be known, since small numbers are in every numbering.
_ENOUGH, _SHARE = 20, 0.9


def label_names(labels: Collection[int]) -> tuple[dict[int, str], str | None]:
    """Names of labels, where their numbers show whose they are.

    Parameters
    ----------
    labels
        All numbers of a data set's label maps, without 0.

    Returns
    -------
    dict
        Name of every label, "label 17" where it is not known.
    str or None
        Whose names these are, None if nobody's.
    """
    found = set(labels)
    cortex = {label for label in found & FREESURFER.keys() if label > 1000}
    table: dict[int, str] = {}
    whose = None
    if len(found & LPBA40.keys()) >= max(_ENOUGH, _SHARE * len(found)):
        table, whose = LPBA40, "LPBA40"
    elif len(found & FREESURFER.keys()) >= _SHARE * len(found - NO_REGION) and (
        len(cortex) >= _ENOUGH or found >= _DEEP
    ):
        table, whose = FREESURFER, "FreeSurfer"
    return {label: table.get(label, f"label {label}") for label in sorted(found)}, whose
