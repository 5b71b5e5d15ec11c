"""What licence a card states: never more freedom than was given."""

from __future__ import annotations

import pytest

from disdepth_cli.hub.licences import LicencedPart, choose_licence, classify_licence


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("cc-by-nc-4.0", True),
        ("CC-BY-NC-SA-3.0", True),
        ("fair-noncommercial-research-license", True),
        ("intel-research", True),
        ("apple-amlr", True),
        ("apache-2.0", False),
        ("cc-by-sa-4.0", False),
        ("ncsa", False),
        ("sync-licence", False),
    ],
)
def test_non_commercial_by_name(licence, expected):
    assert (classify_licence(licence) == "non-commercial") is expected


@pytest.mark.parametrize(
    ("licences", "given", "chosen", "warnings"),
    [
        ([], None, ("unknown", None), 0),
        (["mit"], None, ("unknown", None), 0),
        (["mit"], "Apache-2.0", ("apache-2.0", None), 0),
        (["cc-by-nc-4.0"], None, ("cc-by-nc-4.0", None), 1),
        (["mit", "gpl-3.0"], None, ("gpl-3.0", None), 1),
        (["gpl-3.0", "cc-by-nc-4.0"], "mit", ("mit", None), 2),
        ([None], None, ("unknown", None), 1),
        ([None, "cc-by-nc-4.0"], None, ("cc-by-nc-4.0", None), 2),
        ([], "Our Own, 2", ("other", "our-own-2"), 0),
        ([], "???", ("other", None), 0),
    ],
)
def test_choice(licences, given, chosen, warnings):
    licence = choose_licence([LicencedPart("teacher", f"t{i}", name) for i, name in enumerate(licences)], given)
    assert (licence.id, licence.name) == chosen
    assert len(licence.warnings) == warnings
