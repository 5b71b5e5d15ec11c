"""docs/data.md speaks of what is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from disdepth_cli.data.files.depth_coding import CARLA_SCALE, DepthKind, Encoding
from disdepth_cli.data.files.image_decoders import LARGE
from disdepth_cli.data.files.images import DEPTH_SUFFIXES, IMAGE_SUFFIXES
from disdepth_cli.data.sets.catalogue import FORMATS, HUB
from disdepth_cli.data.sets.data_yaml import DataFile
from disdepth_cli.data.sets.pair_names import TRAIN_FOLDERS, VAL_FOLDERS
from disdepth_cli.data.shards.address import SCHEMES
from disdepth_cli.inspection.labels import LOOKED_AT
from disdepth_cli.reading import LIMIT, MEGAPIXELS

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs" / "data.md").read_text()


def test_every_key_and_value_of_data_yaml_is_there():
    keys = set(DataFile.model_fields) - {"val_depth_scale"}  # written as depth_scale: {train: ..., val: ...}
    values = {*get_args(DepthKind), *get_args(Encoding)}
    assert all(f"`{name}`" in TEXT for name in keys | values)
    table = TEXT.split("| key | value | meaning |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([a-z_]+)`", " ".join(row.split("|")[1] for row in table.splitlines()[2:])))
    assert named == keys


@pytest.mark.parametrize("known", FORMATS.values(), ids=FORMATS)
def test_every_published_format_has_its_range_and_protocol(known):
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{known.name}` |")]
    *_, farthest, protocol = (cell.strip() for cell in row.strip("|").split("|"))
    assert float(farthest) == known.max_depth and protocol.strip("`") == (known.protocol or "")


def test_every_address_that_is_opened_is_there():
    assert all(f"`{scheme}://`" in TEXT for scheme in SCHEMES - {"gcs"})  # gcs:// is gs:// by another name


def test_every_format_folder_and_kind_of_file_is_there():
    assert all(f"`{name}`" in TEXT for name in [HUB, *TRAIN_FOLDERS, *VAL_FOLDERS])
    files = TEXT.split("## Files")[1].split("\n- ")[0].replace("tif", "tif tiff").replace("jpg", "jpg jpeg")
    for row, suffixes in (("| images |", IMAGE_SUFFIXES), ("| depth |", DEPTH_SUFFIXES)):
        line = next(line for line in files.splitlines() if line.startswith(row))
        assert all(re.search(rf"\b{suffix[1:]}\b", line) for suffix in suffixes), row


def test_the_figures_are_the_codes():
    for words in (f"{MEGAPIXELS:g} megapixels", LIMIT, f"{LARGE / 1e6:g} megapixels", f"{LOOKED_AT} depth maps"):
        assert words in TEXT
    assert f"{CARLA_SCALE:.3f}" in TEXT


def test_the_example_is_a_data_yaml(tmp_path):
    from disdepth_cli.data.sets.data_yaml import read_description

    (tmp_path / "data.yaml").write_text(TEXT.split("```yaml")[1].split("```")[0])
    assert read_description(tmp_path / "data.yaml").protocol == "nyu-eigen"


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (PROJECT / "docs" / target).exists(), target
