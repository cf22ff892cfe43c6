"""The shapes of the identifiers that a professional claim carries.

Sources: CMS, "Requirements for NPI and NPI check digit" (45 CFR 162.406, Luhn with the prefix 80840); CMS,
"Understanding the Medicare Beneficiary Identifier (MBI) Format" (eleven places, no S L O I B Z); ICD-10-CM Official
Guidelines, I.A.2 and I.A.4 (three to seven characters, the first a letter, the second a digit).
"""

from __future__ import annotations

import re

_NPI_PREFIX = "80840"
"""Health, United States: part of the check digit of every NPI."""
_NPI = re.compile(r"[12][0-9]{9}", re.ASCII)
_LETTER = "[AC-HJKMNP-RT-Y]"
_EITHER = "[0-9AC-HJKMNP-RT-Y]"
_MBI = re.compile(f"[1-9]{_LETTER}{_EITHER}[0-9]{_LETTER}{_EITHER}[0-9]{_LETTER}{{2}}[0-9]{{2}}", re.ASCII)
_ICD10CM = re.compile(r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?", re.ASCII)
_TAXONOMY = re.compile(r"[0-9A-Z]{9}X", re.ASCII)
_TIN = re.compile(r"[0-9]{9}", re.ASCII)
_PLACE_OF_SERVICE = re.compile(r"[0-9]{2}", re.ASCII)


def is_npi(text: str) -> bool:
    """Whether a text is an NPI: ten digits that begin with 1 or 2, and the Luhn check over them behind 80840."""
    if not _NPI.fullmatch(text):
        return False
    total = 0
    for place, digit in enumerate(reversed(_NPI_PREFIX + text)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 -- the sum of two digits
    return total % 10 == 0


def plain_mbi(text: str) -> str:
    """Return a beneficiary identifier as claims carry it: capital letters, without hyphens and blanks."""
    return text.replace("-", "").replace(" ", "").upper()


def is_mbi(text: str) -> bool:
    """Whether a text has the format of a Medicare Beneficiary Identifier; hyphens and blanks do not matter."""
    return _MBI.fullmatch(plain_mbi(text)) is not None


def is_icd10cm(text: str) -> bool:
    """Whether a text has the shape of an ICD-10-CM code, with or without its point; not whether it exists."""
    return _ICD10CM.fullmatch(text.upper()) is not None


def is_taxonomy(text: str) -> bool:
    """Whether a text has the shape of a NUCC provider taxonomy code: ten places, the last an X."""
    return _TAXONOMY.fullmatch(text) is not None


def is_tin(text: str) -> bool:
    """Whether a text is a tax number of nine digits; one hyphen does not matter."""
    return _TIN.fullmatch(text.replace("-", "", 1)) is not None


def is_place_of_service(text: str) -> bool:
    """Whether a text has the shape of a CMS place-of-service code; 00 and 99 say nothing and are refused."""
    return _PLACE_OF_SERVICE.fullmatch(text) is not None and text not in {"00", "99"}
