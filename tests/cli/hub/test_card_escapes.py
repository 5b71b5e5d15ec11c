"""Text of others in the card: a teacher's licence, a folder's name, a student's header."""

from __future__ import annotations

import json
import re

import pytest
import safetensors.torch
from huggingface_hub import ModelCard

from disdepth_cli.checkpoint.metadata import HEADER_KEY, read_metadata
from disdepth_cli.outputs.card.escape import code, fenced, plain

EVIL = "mit |\n\n# Heading\n\n<script>alert(1)</script> [click](http://evil) `x` ![i](http://evil/i.png)\n\n| a | b |"
TEACHER = {
    "id": f"/models/{EVIL}", "kind": "metric_depth", "revision": EVIL, "licence": EVIL, "fingerprint": "00 | <b>",
    "channels": [24], "reductions": [14],
}  # fmt: skip


def test_marks_are_escaped_and_plain_names_stay() -> None:
    assert plain("depth-anything/Depth-Anything_V2 (cc-by-nc-4.0)") == "depth-anything/Depth-Anything_V2 (cc-by-nc-4.0)"
    assert plain("a|b\n# c <d> [e](f) `g` *h* &amp;") == "a\\|b # c \\<d\\> \\[e\\](f) \\`g\\` \\*h\\* \\&amp;"
    assert code("a`b|c\nd") == "`a'b\\|c d`" and plain("a\x1b[31m\u202e") == "a \\[31m "
    assert "```" not in fenced("x: '```'\n~~~\n````") and fenced("a: 1") == "a: 1"


@pytest.fixture
def card(cli, student, tmp_path):
    """`card(**fields)`: the card of the student under another header."""

    def write(**fields) -> str:
        file = tmp_path / "other.safetensors"
        header = read_metadata(student).model_dump(mode="json") | fields
        safetensors.torch.save_file(safetensors.torch.load_file(student), file, {HEADER_KEY: json.dumps(header)})
        options = ("--to", "someone/rooms", "--dry-run", "-o", tmp_path / "out", "--data-name", EVIL, "--json")
        outcome = cli("push", file, *options)
        assert outcome.code == 0, outcome.err
        return ModelCard((tmp_path / "out" / "README.md").read_text()).text

    return write


def test_nothing_of_others_becomes_markdown_or_html(card) -> None:
    protocol = {
        "name": EVIL,
        "min_depth": 0.001,
        "max_depth": 10,
        "crop": EVIL,
        "align": EVIL,
        "space": EVIL,
        "tta": False,
    }
    text = card(teacher=TEACHER, recipe={"note": "x\n\n```\n\n# Heading\n", "card": EVIL}, protocol=protocol,
                versions={"disdepth": EVIL}, metrics={"rmse": 0.5, EVIL: 1.0})  # fmt: skip
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert not any("Heading" in line for line in headings), headings
    outside = re.sub(r"(?<!\\)`[^`\n]*`", "", text)  # what is not in the letters of code
    for mark in ("<script", "[click](", "![i]("):
        assert not re.search(rf"(?<!\\){re.escape(mark)}", outside), mark
    assert text.count("```") % 2 == 0 and text.count("```") == 6
    rows = [line for line in text.splitlines() if line.startswith("| \\[") or line.startswith("| `/models")]
    assert len(rows) == 1 and len(re.findall(r"(?<!\\)\|", rows[0])) == 6
    assert "| a | b |" not in text
