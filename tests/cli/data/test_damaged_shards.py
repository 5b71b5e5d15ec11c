"""Packed shards whose bytes have changed, and indices that declare too much."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def packed(cli, rooms, tmp_path) -> Path:
    assert cli("pack", rooms, "-o", tmp_path / "shards", "--shard-count", "8", "--workers", "0").code == 0
    return tmp_path / "shards"


def test_one_flipped_bit_of_a_shard_is_named(cli, packed) -> None:
    assert cli("check", packed, "--no-picture").code == 0
    shard = sorted(packed.glob("train-*.tar"))[1]
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1  # in the zeros at its end, which no reader looks at
    shard.write_bytes(data)
    outcome = cli("check", packed, "--no-picture", "--json")
    assert outcome.code == 1
    assert [one["file"] for one in outcome.json["problems"]] == [str(shard)]
    assert "its bytes are not those that were packed" in outcome.json["errors"][0]


@pytest.mark.parametrize("count", [10**12, -1, "x"])
def test_an_index_that_declares_too_much(refused, packed, count) -> None:
    index = json.loads((packed / "index.json").read_text())
    index["shardlist"][0]["nsamples"] = count
    (packed / "index.json").write_text(json.dumps(index))
    refused(1, (packed, "nsamples"), "check", packed, "--no-picture")


@pytest.mark.parametrize("pattern", ["train-{000000..999999}.tar", "a-{0..999}-{0..999}.tar", "a{9..1}.tar"])
def test_patterns_that_name_too_many_shards(refused, tmp_path, pattern) -> None:
    (tmp_path / "data.yaml").write_text(f"train: '{pattern}'\n")
    refused(1, ("{000000..000012}",), "check", tmp_path / "data.yaml", "--no-picture")
