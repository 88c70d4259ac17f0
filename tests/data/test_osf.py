import pytest

from pmrnet.data.osf import RemoteFile, find_sites
from pmrnet.errors import InputError

BY_HAND = r"to go on by hand, download .*_volumes\.tar\.gz from https://osf\.io/yhkde, or "
BY_HAND += r"Mindboggle101_release3\.zip from https://zenodo\.org/records/22070005, and give .* RAW"
ROOT = "/v2/nodes/yhkde/files/osfstorage/"
CHILDREN = "/v2/nodes/yhkde/children/"
SITES = ("OASIS-TRT-20", "NKI-RS-22")


class Project:
    """A project of OSF: listings of folders, components and files, as its API gives them."""

    def __init__(self, server):
        self.server, self.api = server, f"{server.base}/v2/"
        self.routes = server.routes
        self.page(ROOT)
        self.page(CHILDREN)

    def page(self, path, *entries, following=None):
        self.routes[path] = {
            "data": list(entries),
            "links": {"next": following and self.server.base + following},
        }

    def folder(self, name, path):
        related = {"related": {"href": self.server.base + path}}
        return {
            "attributes": {"name": name, "kind": "folder", "size": None},
            "relationships": {"files": {"links": related}},
        }

    def file(self, name, **changes):
        hashes = {"sha256": "AB" * 32, "md5": "cd" * 16}
        attributes = {"name": name, "kind": "file", "size": 7, "extra": {"hashes": hashes}}
        return {
            "attributes": attributes | changes,
            "links": {"download": f"{self.server.base}/download/{name}"},
        }

    def component(self, title, node):
        self.page(f"/v2/nodes/{node}/files/osfstorage/")
        self.page(f"/v2/nodes/{node}/children/")
        return {"id": node, "type": "nodes", "attributes": {"title": title, "category": "data"}}

    def find(self, sites=SITES):
        return find_sites(sites, self.api, waits=(0, 0))

    def archives(self, sites=SITES):
        return [self.file(f"{site}_volumes.tar.gz") for site in sites]

    def asked(self):
        return [path.split("?")[0] for path, _ in self.server.requests]


@pytest.fixture
def project(server):
    return Project(server)


def test_the_path_of_folders(project, server):
    project.page(ROOT, project.file("README"), project.folder("Mindboggle101_individuals", "/1/"))
    project.page("/1/", project.folder("Mindboggle101_release3", "/2/"))
    project.page("/2/", project.folder("Mindboggle101_volumes", "/3/"))
    project.page("/3/", *project.archives(["MMRR-21", *SITES]))
    found = project.find()
    assert list(found) == list(SITES)
    assert found["NKI-RS-22"] == RemoteFile(
        "NKI-RS-22_volumes.tar.gz",
        7,
        f"{server.base}/download/NKI-RS-22_volumes.tar.gz",
        "ab" * 32,
        "cd" * 16,
    )
    assert found["NKI-RS-22"].checked_by == "SHA-256"
    assert len(server.requests) <= 5


def test_components_pages_and_a_folder_for_each_cohort(project):
    parts = [project.component("Mindboggle-101 individuals", "abcde")]
    project.page(CHILDREN, project.component("Other", "other"), *parts)
    path = "/v2/nodes/abcde/files/osfstorage/"
    project.page(path, project.folder("notes", "/notes/"), following="/page2/")
    project.page("/page2/", project.folder("Mindboggle101_volumes", "/3/"))
    folders = [project.folder(f"{site}_volumes", f"/{site}/") for site in ("MMRR-21", *SITES)]
    project.page("/3/", *folders)
    for site in SITES:
        project.page(f"/{site}/", *project.archives([site]))
    assert list(project.find()) == list(SITES)
    assert not {"/notes/", "/MMRR-21/", "/v2/nodes/other/children/"} & set(project.asked())


def test_the_named_path_comes_before_others_of_that_name(project):
    project.page(
        ROOT,
        project.folder("Mindboggle101_release2", "/old/"),
        project.folder("Mindboggle101_release3", "/new/"),
    )
    project.page("/old/", *[project.file(f"{site}_volumes.tar.gz", size=1) for site in SITES])
    project.page("/new/", *project.archives())
    assert [file.size for file in project.find().values()] == [7, 7]
    assert "/old/" not in project.asked()
    project.page("/new/")  # and they are looked into where it leads nowhere
    assert [file.size for file in project.find().values()] == [1, 1]


@pytest.mark.parametrize(
    ("extra", "sha256", "md5", "message"),
    [
        ({"hashes": {"md5": "cd" * 16}}, None, "cd" * 16, "MD5 and size, since"),
        ({"hashes": {"sha256": None, "md5": None}}, None, None, "size alone, since"),
        ({"hashes": {}}, None, None, "size alone, since"),
        ({}, None, None, "size alone, since"),
        (None, None, None, "size alone, since"),
    ],
)
def test_what_a_file_can_be_checked_by_is_said(project, extra, sha256, md5, message):
    project.page(ROOT, *[project.file(f"{site}_volumes.tar.gz", extra=extra) for site in SITES])
    file = project.find()["NKI-RS-22"]
    assert (file.sha256, file.md5) == (sha256, md5)
    assert file.checked_by.startswith(message)


def test_what_is_not_there_is_named(project):
    project.page(ROOT, *project.archives(["OASIS-TRT-20"]))
    with pytest.raises(InputError, match=f"expected NKI-RS-22_volumes.tar.gz in .*; {BY_HAND}"):
        project.find()


@pytest.mark.parametrize(
    "page",
    [
        [],
        {},
        {"data": None, "links": {}},
        {"data": {"a": 1}, "links": {}},
        {"data": [3], "links": {}},
        {"data": [{}], "links": {}},
        {"data": [{"attributes": None}], "links": {}},
        {"data": [{"attributes": {"kind": "folder"}}], "links": {}},
        {"data": [{"attributes": {"kind": "folder", "name": 3}}], "links": {}},
        {"data": [{"attributes": {"kind": "folder", "name": "Mindboggle101"}}], "links": {}},
        {"data": [{"attributes": {"title": "Mindboggle101"}}], "links": {}},
        {"data": []},
        {"data": [], "links": []},
        {"data": [], "links": {"next": 3}},
        {"errors": [{"detail": "no"}]},
        "{",
        "<html>maintenance</html>",
        "",
        "[" * 100_000,
    ],
    ids=str,
)
def test_answers_of_another_form(project, page):
    project.routes[ROOT] = page
    with pytest.raises(InputError, match=BY_HAND):
        project.find()


@pytest.mark.parametrize(
    "changes",
    [
        {"size": None},
        {"size": "7"},
        {"size": -1},
        {"size": True},
        {"extra": {"hashes": {"sha256": "abc"}}},
        {"extra": {"hashes": {"sha256": 3}}},
        {"extra": {"hashes": {"md5": "../../x"}}},
        {"extra": {"hashes": 3}},
    ],
    ids=str,
)
def test_files_described_in_another_form(project, changes):
    project.page(ROOT, *[project.file(f"{site}_volumes.tar.gz", **changes) for site in SITES])
    with pytest.raises(InputError, match=f"another form .*{BY_HAND}"):
        project.find()


def test_a_file_without_address(project):
    entry = project.file("NKI-RS-22_volumes.tar.gz")
    entry["links"] = {}
    project.page(ROOT, entry)
    with pytest.raises(InputError, match=f"another form .*download.*{BY_HAND}"):
        project.find()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_end_at_once(project, status):
    project.routes[ROOT] = lambda handler: handler.reply(status)
    with pytest.raises(InputError, match=f"found HTTP {status} .*{BY_HAND}"):
        project.find()
    assert len(project.server.requests) == 1


def test_server_errors_are_tried_again(project):
    statuses = [500, 429]

    def recovering(handler):
        if statuses:
            return handler.reply(statuses.pop())
        project.page(ROOT, *project.archives())
        return handler.do_GET()

    project.routes[ROOT] = recovering
    assert list(project.find()) == list(SITES)
    project.routes[ROOT] = lambda handler: handler.reply(500)
    del project.server.requests[:]
    with pytest.raises(InputError, match=f"found that the server answered HTTP 500; {BY_HAND}"):
        project.find()
    assert len(project.server.requests) == 3


def test_an_answer_cut_short_is_tried_again(project):
    def short(handler):
        handler.reply(200, {"Content-Length": "100"}, b"{")

    project.routes[ROOT] = short
    with pytest.raises(InputError, match=f"the connection broke off; {BY_HAND}"):
        project.find()
    assert len(project.server.requests) == 3


def test_an_endless_answer_is_not_read_to_the_end(project):
    def endless(handler):
        handler.reply(200)
        for _ in range(400):
            handler.wfile.write(b" " * 2**16)

    project.routes[ROOT] = endless
    with pytest.raises(InputError, match=f"more than 10 MiB of it; {BY_HAND}"):
        project.find()


def test_a_redirect_to_a_file_is_not_followed(project):
    project.server.redirect(ROOT, "file:///etc/passwd")
    with pytest.raises(InputError, match=f"found 'file:///etc/passwd'; .*{BY_HAND}"):
        project.find()


@pytest.mark.parametrize("href", ["file:///etc/passwd", "x", ""])
def test_a_listing_elsewhere_is_not_followed(project, href):
    entry = project.folder("Mindboggle101_volumes", "")
    entry["relationships"]["files"]["links"]["related"]["href"] = href
    project.page(ROOT, entry)
    with pytest.raises(InputError, match=BY_HAND):
        project.find()


def test_circles_and_endless_folders_come_to_an_end(project):
    project.page(ROOT, project.folder("Mindboggle101_volumes", ROOT), following="/2/")
    project.page("/2/", following="/2/")
    with pytest.raises(InputError, match="found no such file"):
        project.find()
    assert len(project.server.requests) == 3

    def deeper(handler):
        path = f"{handler.path.split('?')[0]}x/"
        project.page(path, project.folder("Mindboggle101", path + "x/"))
        project.routes[path + "x/"] = deeper
        handler.path = path
        handler.do_GET()

    project.routes[ROOT] = deeper
    with pytest.raises(InputError, match=f"within 40 requests, found more .*{BY_HAND}"):
        project.find()


def test_nobody_listens(project):
    project.server.shutdown()
    project.server.server_close()
    with pytest.raises(InputError, match=f"the server could not be reached; {BY_HAND}"):
        project.find()
