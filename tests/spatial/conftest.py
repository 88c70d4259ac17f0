"""The spatial core as XLA compiles it, which on grids as small as here it does in graphs only."""

import pytest

from pmrnet.spatial import backend


@pytest.fixture(autouse=True)
def by_xla(monkeypatch):
    monkeypatch.setattr(backend, "SMALL", 0)
