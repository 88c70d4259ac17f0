"""Workers of Dask on this machine."""

import math

import pytest

from pmrnet.dask_cluster import dask_client


@pytest.mark.slow
def test_a_failure_comes_back_and_nowhere_else(capfd):
    distributed = pytest.importorskip("distributed")
    with dask_client(1, None) as client:
        future = client.submit(math.sqrt, -1.0, pure=False)
        distributed.wait(future)
        assert isinstance(future.exception(), ValueError)
        assert client.submit(math.sqrt, 4.0).result() == 2.0
    said = capfd.readouterr()
    assert "Traceback" not in said.err + said.out
    assert "Compute Failed" not in said.err + said.out
