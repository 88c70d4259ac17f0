"""HTML elements whose texts and attributes are always escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

Element = ElementTree.Element

# Characters that HTML has no way to write.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def element(tag: str, *children: Element | str, **attributes: str | bool) -> Element:
    """Make an HTML element.

    Parameters
    ----------
    tag
        Its name.
    *children
        Elements and texts, in order.
    **attributes
        Its attributes, ``_`` for ``-`` and none at the end: ``class_``, ``aria_label``. True is an
        attribute without a value, False none at all.
    """
    result = ElementTree.Element(tag)
    for name, value in attributes.items():
        if value is not False:
            text = "" if value is True else clean(value)
            result.set(name.rstrip("_").replace("_", "-"), text)
    for child in children:
        if isinstance(child, str):
            _append_text(result, clean(child))
        else:
            result.append(child)
    return result


def to_html(root: Element) -> str:
    """Write a whole document.

    Parameters
    ----------
    root
        The ``html`` element. What is in ``script`` and ``style`` elements is written as it is.
    """
    text = ElementTree.tostring(root, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{text}\n"


def clean(text: str) -> str:
    r"""Make a text that UTF-8 and HTML can hold.

    File names may have bytes that are no text, which Python keeps as lone surrogates: they are
    written as ``\udcff``, and control characters as replacement characters.
    """
    valid = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", valid)


def _append_text(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
