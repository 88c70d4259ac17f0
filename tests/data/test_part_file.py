import hashlib
import os
import signal
import subprocess
import sys
import threading
from io import StringIO

import pytest
from http_server import CONTENT, OTHER, SHA256, left_in
from rich.console import Console

from pmrnet.data.download import download, make_progress
from pmrnet.errors import InputError


@pytest.mark.parametrize("if_range", [True, False], ids=["If-Range", "If-Range ignored"])
@pytest.mark.parametrize(
    "tags",
    [
        ({"etag": '"1"'}, {"etag": '"2"'}),
        ({"etag": None, "last_modified": "Mon"}, {"etag": None, "last_modified": "Tue"}),
        ({"etag": '"1"'}, {"etag": None}),
        ({"etag": None}, {"etag": None}),
        ({"etag": 'W/"1"'}, {"etag": 'W/"1"'}),
    ],
    ids=["ETag", "Last-Modified", "ETag gone", "neither", "weak ETag"],
)
def test_a_changed_file_is_not_glued_to_the_old_part(fetch, if_range, tags):
    before, after = tags
    file = fetch.server.serve("/a", CONTENT, cuts=[100_000], if_range=if_range, **before)

    def change(file):
        if len(fetch.server.requests) == 2:
            file.content = OTHER
            for name, value in after.items():
                setattr(file, name, value)

    file.before = change
    assert fetch() == hashlib.sha256(OTHER).hexdigest()
    assert fetch.path.read_bytes() == OTHER


def test_a_file_of_another_size_is_not_glued(fetch):
    fetch.server.serve("/a", CONTENT, cuts=[100_000])
    with pytest.raises(InputError):
        fetch(waits=())
    fetch.server.serve("/a", OTHER[:299_999])  # of the same tag
    assert fetch() == hashlib.sha256(OTHER[:299_999]).hexdigest()


@pytest.mark.parametrize("size", [150_000, 300_001])
def test_a_part_of_a_file_of_another_size_than_expected_is_not_continued(fetch, size):
    fetch.server.serve("/a", CONTENT, cuts=[100_000])
    with pytest.raises(InputError):
        fetch(waits=())
    content = (OTHER + OTHER)[:size]
    fetch.server.serve("/a", content)
    assert fetch(size=size) == hashlib.sha256(content).hexdigest()
    assert fetch.server.ranges() == [None, None]


def test_starting_over_leaves_nothing_of_a_longer_part(fetch):
    fetch.server.serve("/a", CONTENT, cuts=[100_000])
    with pytest.raises(InputError):
        fetch(waits=())
    fetch.server.serve("/a", OTHER[:50_000], etag='"2"')
    assert fetch() == hashlib.sha256(OTHER[:50_000]).hexdigest()


def test_a_part_from_another_address_or_of_another_size_is_not_continued(fetch, server):
    server.serve("/b", OTHER, cuts=[100_000] * 4)
    with pytest.raises(InputError):
        download(f"{server.base}/b", fetch.path, waits=())
    server.serve("/a", CONTENT)
    del server.requests[:]
    assert fetch() == SHA256
    assert server.ranges() == [None]


def test_a_part_without_a_readable_note_is_not_continued(fetch):
    fetch.server.serve("/a", CONTENT)
    for note in (None, "{", "[]", '{"url": 3}', '{"total": "x"}'):
        fetch.path.with_name("a.part").write_bytes(OTHER[:1000])
        if note is not None:
            fetch.path.with_name("a.part.json").write_text(note)
        assert fetch() == SHA256
        fetch.path.unlink()
    assert fetch.server.ranges() == [None] * 5


def test_ranges_ignored_by_the_server(fetch):
    fetch.server.serve("/a", CONTENT, ranges=False, cuts=[100_000, 200_000])
    assert fetch(sha256=SHA256) == SHA256
    assert fetch.server.ranges()[1] is not None
    assert fetch.path.read_bytes() == CONTENT


@pytest.mark.parametrize("shift", [-7, 7])
def test_a_wrong_content_range_starts_over(fetch, shift):
    fetch.server.serve("/a", CONTENT, shift=shift, cuts=[100_000])
    assert fetch() == SHA256
    assert [r is None for r in fetch.server.ranges()] == [True, False, True]


def test_a_content_range_of_no_form_starts_over(fetch):
    file = fetch.server.serve("/a", CONTENT, cuts=[100_000])

    def odd(handler):
        if "Range" in handler.headers:
            handler.reply(206, {"Content-Range": "bytes */*", "ETag": '"1"'}, CONTENT)
        else:
            file(handler)

    fetch.server.routes["/a"] = odd
    assert fetch() == SHA256


def test_an_interrupt_keeps_the_part(fetch):
    fetch.server.serve("/a", CONTENT)
    progress = make_progress(Console(file=StringIO()))
    update = progress.update

    def interrupt(task, **changes):
        update(task, **changes)
        if changes.get("completed", 0) >= 100_000:
            raise KeyboardInterrupt

    progress.update = interrupt
    with pytest.raises(KeyboardInterrupt):
        fetch(progress=progress)
    kept = fetch.path.with_name("a.part").stat().st_size
    assert 100_000 <= kept < 300_000
    assert fetch(sha256=SHA256) == SHA256
    assert fetch.server.ranges() == [None, f"bytes={kept}-"]


def test_a_killed_process_is_followed_up(fetch):
    sent, released = threading.Event(), threading.Event()

    def stall(handler):
        headers = {"Content-Length": str(len(CONTENT)), "ETag": '"1"'}
        handler.reply(200, headers, CONTENT[:200_000])
        sent.set()
        released.wait(30)

    fetch.server.routes["/a"] = stall
    code = (
        "import sys; from pmrnet.data.download import download; download(sys.argv[1], sys.argv[2])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, f"{fetch.server.base}/a", fetch.path],
        stderr=subprocess.DEVNULL,
    )
    part = fetch.path.with_name("a.part")
    try:
        assert sent.wait(60)
        for _ in range(1000):
            if part.is_file() and part.stat().st_size >= 100_000:
                break
            threading.Event().wait(0.01)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        released.set()
    kept = part.stat().st_size
    assert 100_000 <= kept <= 200_000
    fetch.server.serve("/a", CONTENT)
    assert fetch(sha256=SHA256) == SHA256
    assert fetch.server.ranges()[-1] == f"bytes={kept}-"


def test_killed_between_the_last_byte_and_the_rename(fetch):
    file = fetch.server.serve("/a", CONTENT, cuts=[100_000])
    with pytest.raises(InputError):
        fetch(waits=())
    fetch.path.with_name("a.part").write_bytes(file.content)
    del fetch.server.requests[:]
    assert fetch(sha256=SHA256) == SHA256
    assert fetch.server.requests == []
    assert left_in(fetch.path.parent) == ["a"]
