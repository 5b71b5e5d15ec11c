"""Students whose file says what cannot be: refused on loading, with the file and the reason."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from disdepth_cli.checkpoint.locate import BUNDLED
from disdepth_cli.checkpoint.metadata import HEADER_KEY, read_metadata, save_checkpoint
from disdepth_cli.errors import DisdepthError
from disdepth_cli.files import as_json
from disdepth_cli.models.student import DepthStudent, StudentArchitecture, build_student, load_checkpoint
from disdepth_cli.working_size import WorkingSize


@pytest.fixture(scope="module")
def student() -> DepthStudent:
    torch.manual_seed(0)
    return build_student(StudentArchitecture("mobilenetv2_050", 0.1, 10.0, WorkingSize(64, 96), decoder_channels=16))


@pytest.fixture
def file(student: DepthStudent, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "student.safetensors", student.state_dict(), student.describe("student"))
    return tmp_path / "student.safetensors"


def rewritten(file: Path, header: object) -> Path:
    """The same weights under another header."""
    text = header if isinstance(header, str) else json.dumps(header)
    file.write_bytes(safetensors.torch.save(safetensors.torch.load_file(file), {HEADER_KEY: text}))
    return file


def header_of(file: Path) -> dict:
    with safetensors.safe_open(file, "pt") as handle:
        return json.loads(handle.metadata()[HEADER_KEY])


def refused(file: Path, *words: str) -> None:
    with pytest.raises(DisdepthError) as error:
        load_checkpoint(file)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value), error.value


def test_it_loads_as_it_is_and_so_does_the_bundled_one(file: Path) -> None:
    load_checkpoint(rewritten(file, header_of(file)))
    assert read_metadata(BUNDLED).kind == "student"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["decoder", "encoder", "running"])
def test_one_weight_that_is_not_finite(student: DepthStudent, file: Path, value: float, name: str) -> None:
    tensors = {key: tensor.clone() for key, tensor in student.state_dict().items()}
    key = next(key for key, tensor in tensors.items() if name in key and tensor.is_floating_point())
    tensors[key].view(-1)[0] = value
    save_checkpoint(file, tensors, student.describe("student"))
    refused(file, key, "not finite", "--lr")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_depth": 20.0}, ("min_depth 20 is not below max_depth 10",)),
        ({"max_depth": float("inf")}, ("max_depth", "finite")),
        ({"min_depth": float("nan")}, ("min_depth",)),
        ({"min_depth": -1}, ("min_depth",)),
        ({"std": [0, 1, 1]}, ("std.0", "greater than 0")),
        ({"std": [1, 1, float("inf")]}, ("std.2", "finite")),
        ({"mean": [float("nan"), 0, 0]}, ("mean.0", "finite")),
        ({"mean": [0.5]}, ("mean.1",)),
        ({"bins": 0}, ("bins",)),
        ({"bins": 10**9}, ("bins",)),
        ({"decoder_channels": -8}, ("decoder_channels",)),
        ({"decoder_channels": 10**9}, ("decoder_channels",)),
        ({"lg_conv": "everywhere"}, ("lg_conv",)),
        ({"backbone": "no_such_backbone"}, ()),
        ({"student_channels": [0]}, ("student_channels",)),
        ({"working_size": {"height": 10**9, "width": 1}}, ("working size of 1000000000x1",)),
        ({"working_size": {"height": 64, "width": 96, "multiple": 0}}, ("working size",)),
        ({"working_size": {"height": 64, "width": 96, "scale_rule": "any"}}, ("scale_rule",)),
        ({"working_size": {"height": "x", "width": 96}}, ("height",)),
        ({"working_size": {}}, ("height",)),
        ({"working_size": {"height": 64, "width": 96, "depth": 3}}, ("working_size", "depth")),
        ({"unknown": 1}, ("unknown",)),
        ({"format_version": 99}, ("format 99", "upgrade")),
        ({"format_version": "x"}, ("header is damaged",)),
    ],
)
def test_a_header_that_says_what_cannot_be(file: Path, changes: dict, words: tuple[str, ...]) -> None:
    header = header_of(file)
    rewritten(file, header | changes)
    if "backbone" in changes:
        with pytest.raises(DisdepthError, match="no_such_backbone"):
            load_checkpoint(file)
        return
    refused(file, *words)


NONE = ("", "[]", "3", "null", "{", "[" * 100_000, '{"kind": 5}', '"\\ud800"', "9" * 5000, '{"format_version": []}')


@pytest.mark.parametrize("header", NONE)
def test_a_header_that_is_none(file: Path, header: str) -> None:
    refused(rewritten(file, header), "header is damaged")


def test_json_has_no_nan() -> None:
    values = {"a": float("nan"), "b": [1.5, float("inf")], "c": ({"d": -float("inf")}, 2), "e": None, "f": True}
    assert json.loads(as_json(values)) == {"a": None, "b": [1.5, None], "c": [{"d": None}, 2], "e": None, "f": True}


def test_every_flipped_bit_is_seen(file: Path) -> None:
    """In the weights, in the header, and where the header names the digest itself."""
    whole = bytearray(file.read_bytes())
    rng = random.Random(0)
    marked = [whole.index(b"min_depth"), whole.index(b'digest\\"') + 3, whole.index(b"10.0"), len(whole) - 1]
    for place in [*marked, *(rng.randrange(len(whole)) for _ in range(60))]:
        file.write_bytes(bytes([*whole[:place], whole[place] ^ 1 << rng.randrange(8), *whole[place + 1 :]]))
        with pytest.raises(DisdepthError):
            load_checkpoint(file)
    file.write_bytes(whole)
    load_checkpoint(file)


def test_a_file_of_an_older_version_states_no_digest(file: Path) -> None:
    header = header_of(file)
    assert len(header.pop("digest")) == 40
    load_checkpoint(rewritten(file, header))
    refused(rewritten(file, header | {"digest": "0" * 40}), "its digest is another")


def test_equal_models_are_equal_bytes(student: DepthStudent, file: Path) -> None:
    before = file.read_bytes()
    save_checkpoint(file, student.state_dict(), student.describe("student"))
    assert file.read_bytes() == before
