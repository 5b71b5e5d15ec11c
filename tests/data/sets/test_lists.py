"""Lists as people and programs write them: quotes, tabs, tables, Windows' paths and encodings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError

DEPTH = np.full((8, 12), 2000, np.uint16)


@pytest.fixture
def listed(write):
    """`listed(text, name)`: the (image, depth) that a list is read as, in a folder of `in/a b.png` and `in/1.png`, with
    depth in `out/`."""

    def read(text: str | bytes, name: str = "train.txt") -> list[tuple[str, str | None]]:
        for stem in ("a b", "1", "2"):
            write(f"in/{stem}.png")
            write(f"out/{stem}.png", DEPTH)
        root = write("data.yaml", f"train: {name}\n").parent
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        items = load_source(root).train
        return [(item.image.name, item.depth and item.depth.name) for item in items]  # type: ignore[union-attr]

    return read


SPACED = [("a b.png", "a b.png"), ("1.png", "1.png")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"in/a b.png" "out/a b.png" 518.8\nin/1.png out/1.png 518.8\n', "train.txt"),
        ('in/1.png  out/1.png\n"in/a b.png"   "out/a b.png"\n', "train.txt"),
        ("in/a b.png\tout/a b.png\t518.8\nin/1.png\tout/1.png\t518.8\n", "train.txt"),
        ("in/a b.png,out/a b.png\nin/1.png,out/1.png\n", "train.txt"),
        ("in/a b.png, out/a b.png, 518.8\r\nin/1.png, out/1.png, 518.8\r\n", "train.txt"),
        ("image,depth\nin/a b.png,out/a b.png\nin/1.png,out/1.png\n", "train.csv"),
        ("depth_path;scene;image_path\nout/a b.png;x;in/a b.png\nout/1.png;x;in/1.png\n", "train.csv"),
        ('RGB,Depth,focal\n"in/a b.png","out/a b.png",5\n"in/1.png","out/1.png",5\n', "train.csv"),
        ('"in\\a b.png" "out\\a b.png"\nin\\1.png out\\1.png\n', "train.txt"),
        ("image depth\n'a' b\n".replace("'a' b\n", "") + '"in/a b.png" "out/a b.png"\nin/1.png out/1.png', "train.txt"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_form_is_read_alike(listed, text: str, name: str, encoding: str) -> None:
    assert sorted(listed(text.encode(encoding), name)) == sorted(SPACED)


def test_images_alone_in_every_form(listed) -> None:
    for text, name in (("in/1.png\nin/2.png", "a.txt"), ("image\nin/1.png\nin/2.png", "a.csv")):
        assert listed(text, name) == [("1.png", None), ("2.png", None)]


def test_an_empty_depth_field_is_no_depth(listed) -> None:
    assert listed("image,depth\nin/1.png,\nin/2.png,out/2.png\n", "a.csv") == [("1.png", None), ("2.png", "2.png")]


def test_names_with_commas_and_hashes(listed, write) -> None:
    write("in/x,y.png")
    write("in/x#1.png")
    assert [image for image, _ in listed("in/x,y.png\n# in/2.png\nin/x#1.png\n")] == ["x,y.png", "x#1.png"]


def test_the_error_shows_the_line_that_was_read(listed) -> None:
    with pytest.raises(DataError) as error:
        listed("in/1.png out/1.png 5\nin/a b.png out/a b.png 518.8\n")
    assert "train.txt:2: " in str(error.value) and "(the line: in/a b.png out/a b.png 518.8" in str(error.value)
    assert "quote paths that hold blanks" in str(error.value)


@pytest.mark.parametrize("text", ['"in/1.png out/1.png\n', '"in/1.png" "out/1.png'])
def test_an_open_quote_is_named_with_its_line(listed, text: str) -> None:
    with pytest.raises(DataError, match=r"train\.txt:1: is no row of a list"):
        listed(text)


def test_a_utf16_file_that_is_cut_off(listed, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.txt: is not a text file"):
        listed("in/1.png out/1.png\n".encode("utf-16")[:-1])


def test_a_row_without_an_image_is_no_image_of_depth(listed) -> None:
    with pytest.raises(DataError, match=r"train\.csv:3: .* does not exist \(the line: ,out/2\.png\)"):
        listed("image,depth\nin/1.png,out/1.png\n,out/2.png\n", "train.csv")


def test_tabs_and_blanks_mixed(listed) -> None:
    text = "in/1.png\tout/1.png 518.8\nin/2.png out/2.png\t518.8\n"
    assert listed(text) == [("1.png", "1.png"), ("2.png", "2.png")]
