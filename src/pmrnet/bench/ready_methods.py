"""Methods that a benchmark runs, and what goes on record of the data and weights behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pmrnet.errors import InputError

if TYPE_CHECKING:
    from pmrnet.data.prepared import PreparedSubject
    from pmrnet.dataset import Dataset
    from pmrnet.scoring import DisplacementFunction


class ReadyMethods(NamedTuple):
    """Subjects by name, each method's ``displacement(moving, fixed)``, and checksums of both."""

    subjects: dict[str, PreparedSubject]
    functions: dict[str, DisplacementFunction]
    identity: dict[str, Any]


def ready_methods(
    data: Dataset, methods: Sequence[str], pairs: Iterable[tuple[str, str]]
) -> ReadyMethods:
    """Make methods ready to register pairs.

    Parameters
    ----------
    data
        The data set; the pairs' subjects must be prepared.
    methods
        Names, as for `pmrnet evaluate`.
    pairs
        Names of the subjects, moving and fixed.

    Raises
    ------
    InputError
        If a method cannot be run or computes no deformation, or subjects are not there.
    """
    from pmrnet.method_run import method_run
    from pmrnet.workflow import data_identity

    subjects = data.subjects(sorted({name for pair in pairs for name in pair}))
    runs = {name: method_run(data, name, subjects, {}) for name in methods}
    still = [name for name, ready in runs.items() if ready.displacement is None]
    if still:
        raise InputError(
            f"--methods: expected methods that compute a deformation, found {', '.join(still)}; "
            "leave them out."
        )
    weights = {name: ready.provenance["weights_sha256"] for name, ready in runs.items()}
    return ReadyMethods(
        subjects,
        {name: ready.displacement for name, ready in runs.items()},
        {**data_identity(data, subjects), "weights_sha256": weights},
    )
