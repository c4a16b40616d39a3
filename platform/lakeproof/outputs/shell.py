"""The shell of a page of HTML that needs nothing else, and text in it that is never markup."""

from __future__ import annotations

from html import escape
from importlib.resources import files

LONGEST = 300
"""How much of a text is shown."""


def document(title: str, eyebrow: str, heading: str, sections: str) -> str:
    """Return a page: no script, no font, no picture from elsewhere, and a policy that lets none in.

    Args:
        title: What the window is called.
        eyebrow: What the page is about, above its heading.
        heading: What is to be known first.
        sections: The rest, as markup.
    """
    style = files("lakeproof.outputs").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{as_text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f'<p class="eyebrow">{as_text(eyebrow)}</p>\n<h1>{as_text(heading)}</h1>\n{sections}</main>\n</body>\n</html>\n'
    )


def as_text(text: str) -> str:
    """Return text as markup shows it: escaped, no longer than is read, and control characters as what they are.

    >>> as_text("<b> & more")
    '&lt;b&gt; &amp; more'
    """
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return escape("".join(c if c.isprintable() or c == " " else f"\\x{ord(c):02x}" for c in shown))
