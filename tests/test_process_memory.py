import os
import platform
import subprocess
import sys

import pytest

from pmrnet.process_memory import peak_memory_gib

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone can be asked")


def test_peak_memory_grows_with_what_is_held():
    before = peak_memory_gib()
    held = bytearray(os.urandom(1)) * (300 << 20)
    assert peak_memory_gib() >= len(held) / 2**30 > 0.29
    assert before > 0
    del held
    assert peak_memory_gib() >= 0.29  # a peak does not go down


@glibc
def test_what_is_freed_between_kept_blocks_goes_back():
    code = """
import psutil
from pmrnet.process_memory import give_back_memory
resident = psutil.Process().memory_info
blocks = [bytearray(60_000) for _ in range(5000)]  # 300 MB, each too small to be mapped alone
kept = blocks[::100]
del blocks
before = resident().rss
give_back_memory()
print(before - resident().rss)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100e6


@glibc
def test_what_is_freed_is_kept_for_the_next_and_given_back_at_the_end():
    code = """
import resource
import psutil
from pmrnet.process_memory import freed_memory_kept
resident = psutil.Process().memory_info

def pages_cleared(mib):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        bytearray(mib << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = resident().rss
outside = pages_cleared(100)
with freed_memory_kept():
    pages_cleared(100)
    inside, held = pages_cleared(100), resident().rss - before
print(outside, inside, held, resident().rss - before, pages_cleared(100), pages_cleared(10))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    outside, inside, held, left, after, smaller = map(int, done.stdout.split())
    assert inside < outside / 10 < 100_000
    assert held > 100e6 > 10e6 > left  # the 100 MiB, and then no more of them
    assert after > outside / 2  # as it was before
    assert smaller < outside / 10 / 4  # which glibc maps once and then keeps, as before
