import hashlib
import io
import json
import shutil
import sys

import pytest
from http_server import site_archive
from rich.console import Console

from pmrnet.data import fetch_mindboggle as module
from pmrnet.data.archive import SITES
from pmrnet.data.fetch_mindboggle import (
    _is_fetched,
    _read_record,
    fetch_mindboggle,
    is_download,
)
from pmrnet.errors import InputError

ROOT = "/v2/nodes/yhkde/files/osfstorage/"


class Osf:
    """A server with the cohorts' archives, and a way to fetch from it."""

    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.text = io.StringIO()
        self.archives = {site: site_archive(site, seed=i) for i, site in enumerate(SITES)}
        self.files, self.entries = {}, {}
        for site, data in self.archives.items():
            name = f"{site}_volumes.tar.gz"
            self.files[site] = server.serve(f"/download/{name}", data)
            sha256 = hashlib.sha256(data).hexdigest()
            attributes = {"name": name, "kind": "file", "size": len(data)}
            self.entries[site] = {
                "attributes": {**attributes, "extra": {"hashes": {"sha256": sha256}}},
                "links": {"download": f"{server.base}/download/{name}"},
            }
        server.routes[ROOT] = {"data": list(self.entries.values()), "links": {"next": None}}
        server.routes["/v2/nodes/yhkde/children/"] = {"data": [], "links": {"next": None}}

    def fetch(self, **options):
        options = {
            "accept": True,
            "api": f"{self.server.base}/v2/",
            "console": Console(file=self.text, width=200),
            "waits": (0, 0),
        } | options
        return fetch_mindboggle(self.folder, **options)

    def record(self):
        return json.loads((self.folder / "download.json").read_text())

    def volumes(self):
        return sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*.nii.gz"))

    def downloads(self):
        return [path for path, _ in self.server.requests if path.startswith("/download/")]


def expected(*sites):
    return sorted(
        f"{site}_volumes/{site}-{i}/{name}.nii.gz"
        for site in sites
        for i in (1, 2)
        for name in ("t1weighted_brain", "labels.DKT31.manual")
    )


@pytest.fixture
def osf(server, tmp_path, monkeypatch):
    monkeypatch.delenv("ACCEPT_LICENSE", raising=False)
    return Osf(server, tmp_path / "raw" / "mindboggle")


def never(_):
    pytest.fail("asked")


def test_the_cohorts_arrive_and_what_they_are_is_recorded(osf):
    assert osf.fetch() == osf.folder
    assert osf.volumes() == expected(*SITES)
    record = osf.record()
    assert record["licence"]["name"] == "CC BY-NC-SA 3.0"
    assert record["licence"]["accepted"] == "by the program that called"
    assert record["licence"]["date"].endswith("+00:00")
    assert list(record["files"]) == list(SITES)
    for site, data in osf.archives.items():
        file = record["files"][site]
        assert file["url"] == f"{osf.server.base}/download/{site}_volumes.tar.gz"
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert file["checked_by"] == "SHA-256"
        assert (osf.folder / "archives" / file["name"]).read_bytes() == data
    assert unfinished(osf.folder) == ()


def test_the_licence_is_shown_before_the_question(osf):
    def ask(question):
        shown = osf.text.getvalue()
        for words in (
            "CC BY-NC-SA 3.0",
            "NonCommercial",
            "Klein A, Tourville J",
            "2012",
            "doi:10.3389/fnins.2012.00171",
        ):
            assert words in shown
        assert "yes" in question
        assert osf.server.requests == []
        return " yes\n"

    osf.fetch(accept=None, ask=ask)
    assert osf.record()["licence"]["accepted"] == "typed yes"
    assert osf.volumes() == expected(*SITES)


@pytest.mark.parametrize("answer", ["no", "", "y", "YES", "yes please"])
def test_declining_fetches_nothing(osf, answer):
    with pytest.raises(InputError, match="found that it was not; nothing was downloaded"):
        osf.fetch(accept=None, ask=lambda _: answer)
    with pytest.raises(InputError, match="nothing was downloaded"):
        osf.fetch(accept=False, ask=never)
    assert osf.server.requests == []
    assert not osf.folder.exists()


def test_an_earlier_consent_may_be_withdrawn(osf):
    osf.fetch(sites=["NKI-RS-22"])
    del osf.server.requests[:]
    with pytest.raises(InputError, match="nothing was downloaded"):
        osf.fetch(accept=False)
    assert osf.server.requests == []


def test_the_environment_answers_for_scripts(osf, monkeypatch):
    monkeypatch.setenv("ACCEPT_LICENSE", "1")
    osf.fetch(accept=None, ask=never)
    assert osf.record()["licence"]["accepted"] == "ACCEPT_LICENSE=1 in the environment"
    assert "CC BY-NC-SA 3.0" in osf.text.getvalue()


@pytest.mark.parametrize("value", ["0", "", "yes"])
def test_other_values_of_the_environment_do_not(osf, monkeypatch, value):
    monkeypatch.setenv("ACCEPT_LICENSE", value)
    with pytest.raises(InputError, match="nothing was downloaded"):
        osf.fetch(accept=None, ask=lambda _: "no")


class Closed(io.StringIO):
    def isatty(self):
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize("stdin", [io.StringIO("yes\n"), Closed(), None])
def test_without_a_terminal_it_is_said_how_to_accept(osf, monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(InputError, match=r"found no terminal to ask on; .*ACCEPT_LICENSE=1"):
        osf.fetch(accept=None)
    assert osf.server.requests == []
    assert not osf.folder.exists()


def test_an_end_of_input_in_place_of_an_answer(osf):
    def end(_):
        raise EOFError

    with pytest.raises(InputError, match="ACCEPT_LICENSE=1"):
        osf.fetch(accept=None, ask=end)


def test_what_is_there_is_not_fetched_again(osf):
    osf.fetch(sites=["NKI-RS-22"])
    assert osf.volumes() == expected("NKI-RS-22")
    before = osf.record()["files"]["NKI-RS-22"]
    osf.fetch(accept=None, ask=never)
    assert osf.volumes() == expected(*SITES)
    assert osf.record()["files"]["NKI-RS-22"] == before
    assert len(osf.downloads()) == 3
    (osf.folder / "archives" / "NKI-RS-22_volumes.tar.gz").unlink()  # may be removed
    del osf.server.requests[:]
    osf.fetch(accept=None, ask=never)
    assert osf.server.requests == []


def test_a_cohort_that_was_unpacked_by_hand_is_left_alone(osf):
    mine = osf.folder / "OASIS-TRT-20_volumes" / "mine"
    mine.mkdir(parents=True)
    osf.fetch()
    assert list(mine.parent.iterdir()) == [mine]
    assert osf.volumes() == expected("NKI-RS-22", "NKI-TRT-20")
    assert unfinished(osf.folder) == ()


def test_a_folder_that_was_removed_is_unpacked_again(osf):
    osf.fetch()
    shutil.rmtree(osf.folder / "NKI-RS-22_volumes")
    assert unfinished(osf.folder) == ("NKI-RS-22",)
    osf.fetch()
    assert osf.volumes() == expected(*SITES)
    assert len(osf.downloads()) == 3


@pytest.mark.parametrize("at", ["find_sites", "download", "unpack_tree", "record", "second"])
def test_a_stop_at_any_point_is_followed_up(osf, monkeypatch, at):
    class Killed(BaseException):
        pass

    calls = []

    def stop(function, after):
        def run(*arguments, **options):
            calls.append(1)
            result = function(*arguments, **options)
            if len(calls) == after:
                raise Killed
            return result

        return run

    name, after = {"record": ("unpack_tree", 2), "second": ("_write_record", 3)}.get(at, (at, 1))
    with monkeypatch.context() as patch:
        patch.setattr(module, name, stop(getattr(module, name), after))
        with pytest.raises(Killed):
            osf.fetch()
    assert unfinished(osf.folder)
    osf.fetch(accept=None, ask=never)
    assert osf.volumes() == expected(*SITES)
    assert list(osf.record()["files"]) == list(SITES)
    assert len(osf.downloads()) == 3
    assert unfinished(osf.folder) == ()


def test_a_broken_download_goes_on_in_the_next_call(osf):
    size = len(osf.archives["NKI-RS-22"])
    osf.files["NKI-RS-22"].cuts = [size // 2, 0, 0]
    with pytest.raises(InputError, match="the connection broke off, 3 times in a row"):
        osf.fetch()
    assert osf.volumes() == expected("OASIS-TRT-20")
    assert unfinished(osf.folder) == ("NKI-RS-22", "NKI-TRT-20")
    osf.fetch()
    assert osf.volumes() == expected(*SITES)
    ranges = [h.get("Range") for p, h in osf.server.requests if "NKI-RS-22" in p]
    assert ranges == [None, *[f"bytes={size // 2}-"] * 3]


def test_wrong_bytes_and_wrong_sizes_are_refused(osf):
    osf.files["NKI-RS-22"].content = site_archive("NKI-RS-22", seed=99)
    with pytest.raises(InputError, match=r"expected .* (as SHA-256|bytes)"):
        osf.fetch(sites=["NKI-RS-22"])
    osf.entries["OASIS-TRT-20"]["attributes"]["size"] += 1
    with pytest.raises(InputError, match=r"expected a file of \d+ bytes, found one of \d+"):
        osf.fetch(sites=["OASIS-TRT-20"])
    assert osf.volumes() == []
    assert list((osf.folder / "archives").iterdir()) == []
    assert "files" not in osf.record()


def test_without_sha256_it_is_recorded_what_was_checked(osf):
    data = osf.archives["NKI-RS-22"]
    extra = osf.entries["NKI-RS-22"]["attributes"]["extra"]
    extra["hashes"] = {"md5": "0" * 32}
    with pytest.raises(InputError, match="as MD5"):
        osf.fetch(sites=["NKI-RS-22"])
    extra["hashes"] = {"md5": hashlib.md5(data).hexdigest()}
    osf.fetch(sites=["NKI-RS-22"])
    file = osf.record()["files"]["NKI-RS-22"]
    assert file["checked_by"] == "MD5 and size, since the server gave no SHA-256"
    assert file["sha256"] == hashlib.sha256(data).hexdigest()


def test_a_bad_archive_is_refused(osf):
    data = osf.archives["NKI-RS-22"][:-20]
    osf.files["NKI-RS-22"].content = data
    attributes = osf.entries["NKI-RS-22"]["attributes"]
    attributes |= {"size": len(data), "extra": {}}
    with pytest.raises(InputError, match="damaged or incomplete"):
        osf.fetch(sites=["NKI-RS-22"])
    assert osf.volumes() == []


def test_html_in_place_of_the_list_says_how_to_go_on(osf):
    osf.server.routes[ROOT] = "<html>maintenance</html>"
    with pytest.raises(InputError, match=r"expected JSON, .*zenodo.org/records/22070005"):
        osf.fetch()


def test_a_folder_that_is_a_file(osf):
    osf.folder.parent.mkdir(parents=True)
    osf.folder.write_bytes(b"1")
    with pytest.raises(InputError, match="is not a folder"):
        osf.fetch()


def test_unknown_sites(osf):
    with pytest.raises(InputError, match=r"expected sites among .*, found \.\./x; name"):
        osf.fetch(sites=["../x", "NKI-RS-22"])
    with pytest.raises(InputError, match="found none"):
        osf.fetch(sites=[])


@pytest.mark.parametrize("text", ["{", "[]", '{"sites": 3}', '{"files": []}', b"\xff"])
def test_a_record_that_cannot_be_read(osf, text):
    osf.folder.mkdir(parents=True)
    path = osf.folder / "download.json"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError, match=r"download\.json: expected the record of an earlier"):
        osf.fetch()
    with pytest.raises(InputError, match="remove the file"):
        is_download(osf.folder)


def test_nothing_begun_is_no_download(tmp_path):
    assert not is_download(tmp_path / "none")


def unfinished(folder):
    """Sites whose download was begun and not finished."""
    record = _read_record(folder)
    return tuple(s for s in record["sites"] if not _is_fetched(folder, s, record))
