"""Names and addresses as claim forms take them: capital letters of the basic Latin alphabet and few signs.

837P files use the basic character set of X12 (appendix B.1.1.2.2 of the standard's front matter names the set), and
forms are read by machines. What has a Latin letter at its root keeps it; what has none is left out.
"""

from __future__ import annotations

import re
import unicodedata

_LETTERS = str.maketrans(
    {
        "Æ": "AE",
        "Œ": "OE",
        "Ø": "O",
        "Đ": "D",
        "Ð": "D",
        "Þ": "TH",
        "Ł": "L",
        "Ħ": "H",
        "Ŧ": "T",
        "Ŋ": "N",
        "İ": "I",
        "ẞ": "SS",
        "\u2018": "'",
        "\u2019": "'",
        "\u02bc": "'",
        "`": "'",
        "\u00b4": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2013": "-",
        "\u2014": "-",
    }
)
_REFUSED = re.compile(r"[^A-Z0-9 !\"&'()+,\-./;?=]")
"""Everything outside the basic character set, and our delimiters: star, colon, tilde, caret."""
_BLANKS = re.compile(r" +")


def plain_text(text: str | None, *, longest: int | None = None) -> str:
    """Return a text in the basic character set, without blanks around it and at most `longest` places long."""
    upper = unicodedata.normalize("NFC", text or "").upper().translate(_LETTERS)
    bare = "".join(c for c in unicodedata.normalize("NFKD", upper) if not unicodedata.combining(c))
    kept = _BLANKS.sub(" ", _REFUSED.sub(" ", bare.upper().translate(_LETTERS))).strip()
    return kept if longest is None else kept[:longest].rstrip()
