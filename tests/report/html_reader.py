"""HTML read as a browser does, and texts that try to be more than texts."""

from html.parser import HTMLParser

HOSTILE = [
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "\"onmouseover='alert(1)' x=\"",
    "a & b &amp; c &lt;",
    "]]><!-- --",
]


class Reader(HTMLParser):
    """What a browser would understand."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data
