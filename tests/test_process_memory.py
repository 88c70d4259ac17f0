import os

from pmrnet.process_memory import peak_memory_gib


def test_peak_memory_grows_with_what_is_held():
    before = peak_memory_gib()
    held = bytearray(os.urandom(1)) * (300 << 20)
    assert peak_memory_gib() >= len(held) / 2**30 > 0.29
    assert before > 0
    del held
    assert peak_memory_gib() >= 0.29  # a peak does not go down
