import pytest
from html_reader import HOSTILE, Reader
from hypothesis import given
from hypothesis import strategies as st

from pmrnet.report.element import clean, element, to_html


def page(text):
    return Reader(to_html(element("html", element("p", text, title=text, data_of=text))))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text):
    read = page(text)
    assert read.tags == [("html", {}), ("p", {"title": text, "data-of": text})]
    assert read.text.strip() == text


# Line ends are the one thing that HTML normalizes.
@given(text=st.text().filter(lambda t: "\r" not in t and t.strip() == t))
def test_any_text_comes_back(text):
    read = page(text)
    assert read.text.strip() == clean(text).strip()
    assert read.tags[1][1]["title"] == clean(text)
    to_html(element("p", text)).encode("utf-8")


def test_clean():
    assert clean("sub-\udcff.nii") == "sub-\\udcff.nii"
    assert clean("a\x00b\x1b[31m\x85") == "a\ufffdb\ufffd[31m\ufffd"
    assert clean("tab\tand\nline, ä 脳 🧠") == "tab\tand\nline, ä 脳 🧠"


def test_children_and_attributes():
    text = to_html(
        element(
            "p", "a", element("br"), "b", element("b", "c"), "d", class_="x", hidden=True, id=False
        )
    )
    assert text == '<!DOCTYPE html>\n<p class="x" hidden="">a<br>b<b>c</b>d</p>\n'


def test_scripts_and_styles_are_left_as_they_are():
    text = to_html(element("html", element("script", "1 < 2 && 3"), element("style", "a > b{}")))
    assert "<script>1 < 2 && 3</script>" in text
    assert "<style>a > b{}</style>" in text
