import hashlib
import shutil
from types import SimpleNamespace

import pytest
from http_server import CONTENT, OTHER, SHA256, left_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pmrnet.data import download as module
from pmrnet.data.download import download
from pmrnet.errors import InputError


def test_a_file_is_fetched_with_missing_folders_made(server, tmp_path, capsys):
    server.serve("/a", CONTENT)
    path = tmp_path / "new" / "folder" / "a.tar.gz"
    assert download(f"{server.base}/a", path, size=len(CONTENT), sha256=SHA256.upper()) == SHA256
    assert path.read_bytes() == CONTENT
    assert left_in(path.parent) == ["a.tar.gz"]
    # Else a server may compress on the way, and sizes and ranges lose their meaning.
    assert server.requests[0][1]["Accept-Encoding"] == "identity"
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "a.tar.gz" in printed.err
    assert "kB" in printed.err


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_body_without_content_length(fetch, size):
    fetch.server.serve("/a", CONTENT, length=False)
    assert fetch(size=size) == SHA256


def test_a_body_in_chunks(fetch):
    def chunked(handler):
        handler.reply(200, {"Transfer-Encoding": "chunked"})
        for start in range(0, len(CONTENT), 70_000):
            piece = CONTENT[start : start + 70_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    fetch.server.routes["/a"] = chunked
    assert fetch(size=len(CONTENT), sha256=SHA256) == SHA256
    fetch.path.unlink()
    with pytest.raises(InputError, match="expected 300001 bytes, found 300000"):
        fetch(size=len(CONTENT) + 1)
    assert left_in(fetch.path.parent) == []


def test_a_complete_file_is_kept_without_a_request(fetch):
    fetch.path.write_bytes(CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert fetch(sha256=SHA256) == fetch(size=len(CONTENT)) == fetch(md5=md5) == SHA256
    assert fetch.server.requests == []


@pytest.mark.parametrize(
    "expected", [{"size": 5}, {"sha256": "0" * 64}, {"md5": "0" * 32}], ids=["size", "sha", "md5"]
)
def test_another_file_of_that_name_is_not_touched(fetch, expected):
    fetch.path.write_bytes(CONTENT)
    with pytest.raises(InputError, match=r"expected (5|0+) .*, found .*; move it away"):
        fetch(**expected)
    assert fetch.path.read_bytes() == CONTENT
    assert fetch.server.requests == []
    fetch.path.unlink()
    fetch.path.mkdir()
    with pytest.raises(InputError, match="found a folder there"):
        fetch()


def test_broken_connections_are_resumed_by_range(fetch):
    fetch.server.serve("/a", CONTENT, cuts=[100_000, 0, 120_000])
    assert fetch(size=len(CONTENT), sha256=SHA256) == SHA256
    ranges = fetch.server.ranges()
    starts = [0 if r is None else int(r[6:-1]) for r in ranges]
    # What a broken connection brought last may be lost with it, but no more than a chunk.
    assert starts[0] == 0
    assert 100_000 - 65_536 <= starts[1] <= 100_000
    assert starts[1] == starts[2]
    assert starts[2] < starts[3]
    assert len(starts) == 4
    assert all(h.get("If-Range") == '"1"' for _, h in fetch.server.requests[1:])
    assert left_in(fetch.path.parent) == ["a"]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 3000), max_size=3), size=st.integers(0, 2000))
def test_any_breaks_give_the_same_file(fetch, cuts, size):
    fetch.server.serve("/a", CONTENT[:size], cuts=list(cuts))
    fetch.path.unlink(missing_ok=True)
    assert fetch() == hashlib.sha256(CONTENT[:size]).hexdigest()
    assert fetch.path.read_bytes() == CONTENT[:size]


def test_attempts_are_limited_and_the_part_is_kept_for_the_next_call(fetch, monkeypatch):
    slept = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=slept.append))
    file = fetch.server.serve("/a", CONTENT, cuts=[200_000, 0, 0])
    with pytest.raises(
        InputError, match=r"connection broke off, 3 times in a row; .* goes on from .*a\.part\."
    ):
        fetch(waits=(1, 5))
    assert slept == [1, 5]
    assert left_in(fetch.path.parent) == ["a.part", "a.part.json"]
    assert file.cuts == []
    before = len(fetch.server.requests)
    assert fetch() == SHA256
    assert fetch.server.ranges()[before].startswith("bytes=")


def test_growth_starts_the_count_of_attempts_anew(fetch, monkeypatch):
    monkeypatch.setattr(module, "_PROGRESS", 30_000)
    fetch.server.serve("/a", CONTENT, cuts=[70_000] * 4)
    assert fetch(waits=(0,)) == SHA256
    fetch.path.unlink()
    # Starting over each time is no growth.
    fetch.server.serve("/a", CONTENT, cuts=[70_000] * 9, ranges=False)
    with pytest.raises(InputError, match="2 times in a row"):
        fetch(waits=(0,))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304])
def test_other_errors_end_at_once(fetch, status):
    fetch.server.serve("/a", CONTENT, statuses=[status])
    with pytest.raises(InputError, match=f"/a: expected a file, found HTTP {status} .*browser"):
        fetch()
    assert len(fetch.server.requests) == 1
    assert left_in(fetch.path.parent) == []


def test_a_web_page_in_place_of_the_file_keeps_the_part(fetch):
    file = fetch.server.serve("/a", CONTENT, cuts=[100_000, 0, 0, 0])
    with pytest.raises(InputError):
        fetch()
    part = fetch.path.with_name("a.part").read_bytes()
    assert 0 < len(part) <= 100_000
    file.content, file.content_type, file.etag = b"<html>", "text/html; charset=utf-8", None
    with pytest.raises(InputError, match="found a web page"):
        fetch()
    assert fetch.path.with_name("a.part").read_bytes() == part


def test_content_length_too_long(fetch):
    fetch.server.serve("/a", CONTENT, announce=10)
    with pytest.raises(InputError, match="4 times in a row"):
        fetch()
    assert not fetch.path.exists()


def test_content_length_too_short(fetch):
    fetch.server.serve("/a", CONTENT, announce=-10)
    with pytest.raises(InputError, match=r"expected 0000.* as SHA-256, found .*try again"):
        fetch(sha256="0" * 64)
    assert left_in(fetch.path.parent) == []
    with pytest.raises(InputError, match="expected a file of 300000 bytes, found one of 299990"):
        fetch(size=len(CONTENT))
    assert left_in(fetch.path.parent) == []


@pytest.mark.parametrize(
    ("length", "more", "message"),
    [
        (True, -1, "expected a file of 299999 bytes, found one of 300000"),
        (True, 1, "expected a file of 300001 bytes, found one of 300000"),
        (False, -1, "expected a file of at most 299999 bytes, found a longer one"),
        (False, 1, "does not go on after 300000 bytes|the connection broke off"),
    ],
)
def test_another_size_than_expected_is_refused(fetch, length, more, message):
    fetch.server.serve("/a", CONTENT, length=length)
    with pytest.raises(InputError, match=message):
        fetch(size=len(CONTENT) + more)
    assert left_in(fetch.path.parent) == []


def test_a_file_of_unknown_size_is_limited(fetch, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    fetch.server.serve("/a", CONTENT, length=False)
    with pytest.raises(InputError, match="at most 1000 bytes, found a longer one"):
        fetch()
    assert left_in(fetch.path.parent) == []


def test_wrong_bytes_are_refused_and_removed(fetch):
    file = fetch.server.serve("/a", OTHER)
    found = hashlib.sha256(OTHER).hexdigest()
    with pytest.raises(InputError, match=f"/a: expected {SHA256} as SHA-256, found {found}"):
        fetch(size=len(CONTENT), sha256=SHA256)
    assert left_in(fetch.path.parent) == []
    md5 = hashlib.md5(CONTENT).hexdigest()
    with pytest.raises(InputError, match=f"expected {md5} as MD5"):
        fetch(md5=md5)
    file.content = CONTENT
    assert fetch(sha256=SHA256, md5=md5) == SHA256


def test_a_full_disk_is_noticed_before_anything_is_written(fetch, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=299_999))
    fetch.server.serve("/a", CONTENT)
    with pytest.raises(InputError, match=r"expected room for 0\.3 MB, found"):
        fetch()
    assert left_in(fetch.path.parent) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=300_000))
    assert fetch() == SHA256
