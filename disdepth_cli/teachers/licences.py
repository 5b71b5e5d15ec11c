"""What a stated licence means for a student: it is made from its teacher's outputs, so its maker should know."""

from __future__ import annotations

import re
from typing import Literal

LicenceClass = Literal["open", "non-commercial", "unknown"]

_OPEN = re.compile(
    r"(apache|mit|bsd|isc|zlib|unlicense|wtfpl|cc0|artistic|mpl|epl|eupl|afl|ecl|ms-pl|bsl|a?l?gpl)([- ]?[\d.]+.*)?"
    r"|cc-by(-sa)?-[\d.]+|cc-by(-sa)?|bsd-\d-clause(-\w+)?|public[- ]domain"
)
_NON_COMMERCIAL = re.compile(r"(^|[-_ /])nc([-_ /]|$)|non[-_ ]?commercial|research|academic|amlr|seer-license")


def classify_licence(licence: str | None) -> LicenceClass:
    """Whether commercial use is allowed by a licence, as model cards name it.

    "non-commercial": Creative Commons NC, and licences for research only, such as Apple's apple-amlr. "unknown": not
    stated, `other`, or terms of the maker's own (gemma, apple-ascl, dinov3-license, ...), which must be read.
    """
    stated = (licence or "").strip().lower()
    if _NON_COMMERCIAL.search(stated):
        return "non-commercial"
    return "open" if _OPEN.fullmatch(stated) else "unknown"


def licence_note(licence: str | None) -> str | None:
    """One sentence for the maker of a student, None for an open licence."""
    kind = classify_licence(licence)
    if kind == "open":
        return None
    if kind == "non-commercial":
        return "non-commercial; a student distilled from it may fall under the same terms"
    if licence is None:
        return "unknown; no licence is stated, ask the teacher's makers before you use a student of it"
    return "unknown; these terms are the maker's own, read them before you use a student of it"
