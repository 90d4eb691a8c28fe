"""Write names of files as text that every reader takes."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text whose bytes may have been no UTF-8, as text that is: those bytes as `\\xff`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text
