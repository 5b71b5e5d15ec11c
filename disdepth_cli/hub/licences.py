"""The licence that a student's model card states, and why. Not legal advice: it repeats what others have stated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

UNKNOWN, OTHER = "unknown", "other"

PERMISSIVE = {
    "apache-2.0", "mit", "isc", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "cc0-1.0", "cc-by-2.0",
    "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "unlicense", "zlib", "wtfpl", "afl-3.0", "bsl-1.0", "ncsa", "postgresql",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "pddl", "odc-by",
}  # fmt: skip
"""Licences that leave the licence of what is made from the work to its maker."""

ON_THE_HUB = PERMISSIVE | {
    UNKNOWN, OTHER, "openrail", "openrail++", "bigscience-openrail-m", "creativeml-openrail-m", "bigcode-openrail-m",
    "bigscience-bloom-rail-1.0", "artistic-2.0", "c-uda", "cc", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0",
    "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0",
    "eupl-1.1", "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0",
    "intel-research", "apple-ascl", "apple-amlr", "mpl-2.0", "ms-pl", "odbl", "osl-3.0", "ofl-1.1",
}  # fmt: skip
"""Identifiers that a model card may give as `license`; any other is `other` with a `license_name`."""


@dataclass(frozen=True)
class LicencedPart:
    """Something the student was made from. `what` is a word for people; licence is None where none is stated."""

    what: str
    name: str
    licence: str | None


@dataclass(frozen=True)
class Licence:
    """What the card states: `id` of the Hub's list, `name` where that is `other`, the reason, and what to beware of."""

    id: str
    name: str | None
    reason: str
    warnings: tuple[str, ...]


def choose_licence(sources: Sequence[LicencedPart], given: str | None = None) -> Licence:
    """The given licence; else that of the first source whose licence is not permissive; else none is claimed.

    Every source that is non-commercial, otherwise restrictive or without a stated licence gives a warning, whatever
    was given: the card shall not be silent about it.
    """
    warnings = tuple(warning for source in sources if (warning := _warning(source)))
    if given is not None:
        return _named(given, "Chosen by whoever published this student.", warnings)
    for source in sources:
        if source.licence and source.licence.lower() not in PERMISSIVE:
            return _named(source.licence, f"Taken over from the {source.what} {source.name}.", warnings)
    return Licence(UNKNOWN, None, "Whoever published this student has not stated one.", warnings)


def _named(licence: str, reason: str, warnings: tuple[str, ...]) -> Licence:
    slug = re.sub(r"[^a-z0-9.+-]+", "-", licence.lower()).strip("-") or OTHER
    return Licence(slug, None, reason, warnings) if slug in ON_THE_HUB else Licence(OTHER, slug, reason, warnings)


def _warning(source: LicencedPart) -> str | None:
    if source.licence is None:
        return (
            f"The {source.what} {source.name} states no licence. Nobody has allowed anything then; ask its authors "
            "before this student is used for more than private study."
        )
    if classify_licence(source.licence) == "non-commercial":
        return (
            f"The {source.what} {source.name} is under {source.licence}, which does not allow commercial use. This "
            "student learned from it: take it as not for commercial use either."
        )
    if source.licence.lower() not in PERMISSIVE:
        return (
            f"The {source.what} {source.name} is under {source.licence}, which has conditions of its own; read them "
            "before this student is used or passed on."
        )
    return None


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
