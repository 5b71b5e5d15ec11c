"""The probe: one room of known depth tells what a teacher's numbers are, and no random network is refused by luck."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.errors import TeacherError
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.contract import ProbeResult
from disdepth_cli.teachers.probe import ASSETS, probe, probe_size, read_room, settle_kind
from disdepth_cli.teachers.teacher import TeacherNetwork
from disdepth_cli.types import FeatureMaps, FeatureSpec
from disdepth_cli.working_size import WorkingSize

PROJECT = Path(__file__).parents[2]
TRAINED = PROJECT / "disdepth_cli" / "assets" / "tiny_teacher"
SIZE = (112, 154)


class Oracle(TeacherNetwork):
    """Knows the room: any function of its depth, on a feature map of stride 14."""

    def __init__(self, numbers: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.numbers = numbers

    def forward(self, pixels: Tensor) -> tuple[Tensor | None, FeatureMaps]:
        depth = F.interpolate(read_room()[1].to(pixels.dtype), (pixels.shape[-2], pixels.shape[-1]), mode="area")
        return self.numbers(depth), [F.avg_pool2d(pixels, 14)]


def seen_by(numbers: Callable[[Tensor], Tensor]) -> ProbeResult:
    return probe(Oracle(numbers), SIZE, "oracle")


def edited(folder: Path, tmp_path: Path, **values: object) -> Path:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    file = copy / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return copy


def test_the_room_is_rendered_by_the_projects_own_example() -> None:
    from disdepth_cli.demo.rooms import room

    photo, depth = room(seed=53, split=0, index=0, height=192, width=256)
    files = [ASSETS / "probe_rgb.png", ASSETS / "probe_depth.png"]
    stored = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]
    assert np.abs(stored[0][..., ::-1].astype(int) - photo).max() <= 1  # another NumPy may round another way
    assert np.abs(stored[1].astype(int) - depth).max() <= 1
    assert sum(file.stat().st_size for file in files) < 100_000
    seen, metres = read_room()
    assert np.allclose(seen[0].permute(1, 2, 0).numpy() * 255, photo, atol=1.01)
    assert np.allclose(metres[0, 0].numpy() * 1000, depth, atol=1.01)


def test_what_is_measured() -> None:
    result = seen_by(lambda depth: 2 * depth)
    truth = F.interpolate(read_room()[1], SIZE, mode="area")
    assert result.spec == FeatureSpec((3,), (14,))
    assert result.minimum == pytest.approx(2 * float(truth.min()))
    assert result.maximum == pytest.approx(2 * float(truth.max()))
    assert result.median == pytest.approx(2 * float(truth.median()))
    assert result.true_median == pytest.approx(3.03, abs=0.05)
    assert result.correlation == pytest.approx(1, abs=0.01) and result.partial == pytest.approx(1, abs=0.05)
    inverse = seen_by(lambda depth: 1 / depth)
    assert (result.direction, inverse.direction) == (1, -1)
    assert inverse.correlation == pytest.approx(-1, abs=0.01)


@pytest.mark.parametrize("power", [-1, 1])
@pytest.mark.parametrize("kind", ["metric_depth", "relative_depth", "disparity"])
def test_a_direction_that_contradicts_the_kind_is_refused(kind: str, power: int) -> None:
    result = seen_by(lambda depth: depth**power)
    if (kind == "disparity") == (power < 0):
        assert settle_kind("t", kind, 10.0, result) == kind
        return
    move = "grow" if power > 0 else "fall"
    with pytest.raises(TeacherError, match=f"^t: declares {kind}, but its numbers {move} with depth .*[+-]1.00") as e:
        settle_kind("t", kind, 10.0, result)
    assert "depth_estimation_type" in str(e.value) and "\n" not in str(e.value)


def test_an_open_kind_is_what_the_room_shows() -> None:
    assert settle_kind("t", None, None, seen_by(lambda depth: 1 / depth)) == "disparity"
    assert settle_kind("t", None, None, seen_by(lambda depth: depth)) == "relative_depth"
    with pytest.raises(TeacherError, match=r"leaves open what its numbers are .* state it in its config\.json"):
        settle_kind("t", None, None, seen_by(lambda depth: torch.sin(9 * depth)))


def test_impossible_metres_are_refused_with_the_figures() -> None:
    with pytest.raises(TeacherError, match=r"^t: gives -1\.\d+ to 3\.\d+ m in a test room, and negative metres"):
        settle_kind("t", "metric_depth", 10.0, seen_by(lambda depth: depth - 3))
    with pytest.raises(TeacherError, match=r"to 12\.\d+ m in a test room, beyond its own max_depth of 10 m"):
        settle_kind("t", "metric_depth", 10.0, seen_by(lambda depth: 2 * depth))
    fits = seen_by(lambda depth: 2 * depth)
    assert settle_kind("t", "metric_depth", 12.5, fits) == settle_kind("t", "metric_depth", None, fits)
    assert settle_kind("t", "relative_depth", None, seen_by(lambda depth: depth - 3)) == "relative_depth"


def test_metres_far_off_are_doubted_not_refused() -> None:
    feet, millimetres = seen_by(lambda depth: 3.3 * depth), seen_by(lambda depth: 1000 * depth)
    assert settle_kind("t", "metric_depth", None, millimetres) == "metric_depth"
    assert feet.doubt("metric_depth") is None and millimetres.doubt("disparity") is None
    doubt = millimetres.doubt("metric_depth")
    assert doubt is not None and doubt.startswith("sees a test room 3 m deep (median) as 3.")
    assert doubt in millimetres.line("metric_depth") and "doubt" not in feet.line("metric_depth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(TeacherError, match="non-finite"):
        seen_by(lambda depth: depth * value)


def test_one_number_everywhere_is_refused(metric_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match=r"^oracle: gives 2 everywhere in any test image"):
        seen_by(lambda depth: torch.full_like(depth, 2.0))
    file = edited(metric_folder, tmp_path) / "model.safetensors"
    weights = load_file(file)
    weights["head.conv3.weight"] *= 1e-9  # hidden from float32 by the sigmoid, yet it varies
    save_file(weights, file, metadata={"format": "pt"})
    teacher = load_teacher(str(file.parent))
    assert teacher.contract.probe is not None and teacher.contract.probe.correlation == 0
    assert {tensor.dtype for tensor in teacher.state_dict().values()} == {torch.float32}
    weights["head.conv3.weight"] *= 0
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(TeacherError, match="^copy: gives 5 everywhere"):
        load_teacher(str(file.parent))


def test_a_trained_teacher_is_recognised(tmp_path: Path) -> None:
    contract = load_teacher(str(TRAINED)).contract
    assert contract.probe is not None and contract.probe.direction == 1
    assert contract.probe.spec == contract.spec
    assert contract.probe.median == pytest.approx(contract.probe.true_median, rel=0.3)
    (line,) = [line for line in contract.lines() if line.startswith("probe: ")]
    assert "rank correlation with depth +0.9" in line
    file = edited(TRAINED, tmp_path) / "model.safetensors"
    weights = load_file(file)
    for part in ("weight", "bias"):  # 10 m - depth
        weights[f"head.conv3.{part}"] *= -1
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(TeacherError, match="^copy: declares metric_depth, but its numbers fall with depth"):
        load_teacher(str(file.parent))


def test_what_the_config_leaves_open_can_be_stated_there(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tiny("dpt-projection")
    with pytest.raises(TeacherError, match=r"^tiny-dpt-projection: its config\.json leaves open"):
        load_teacher(str(folder))
    contract = load_teacher(str(edited(folder, tmp_path, depth_estimation_type="relative"))).contract
    assert (contract.kind, contract.unit, contract.max_depth) == ("disparity", "none", None)
    shutil.rmtree(tmp_path / "copy")
    stated = edited(folder, tmp_path, depth_estimation_type="metric", max_depth=1e6)
    contract = load_teacher(str(stated)).contract
    assert (contract.kind, contract.unit, contract.max_depth) == ("metric_depth", "m", 1e6)


def test_colour_and_place_are_no_depth() -> None:
    """The best guess from colour and place alone orders the room as depth does, and yet knows nothing of depth."""
    photo, depth = (F.interpolate(map_, SIZE, mode="area")[0] for map_ in read_room())
    rows, columns = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in SIZE), indexing="ij")
    known = torch.stack([*photo, rows, columns, rows**2, columns**2, torch.ones(SIZE)]).flatten(1).T
    guess = (known @ torch.linalg.lstsq(known, depth.reshape(-1, 1)).solution).view(1, 1, *SIZE)
    result = seen_by(lambda depth: guess)
    assert result.correlation is not None and result.correlation > 0.8
    assert result.partial is not None and result.partial < 0.6
    assert result.direction == 0


def test_random_networks_show_no_direction(tiny: Callable[[str], Path]) -> None:
    """Their rank correlation alone is beyond its limit now and then; what is left beyond colour and place is not."""
    teacher = load_teacher(str(tiny("dpt-swinv2")))
    directions, correlations = [], []
    for seed in range(25):
        torch.manual_seed(seed)
        for weight in teacher.network.parameters():
            if weight.ndim > 1:
                torch.nn.init.xavier_normal_(weight)
        with torch.no_grad():
            head = teacher.network.get_submodule("model.head.head")
            for weight in head.parameters():
                weight.abs_()
        result = probe(teacher.network, (128, 192), "random")
        directions.append(result.direction)
        correlations.append(abs(result.correlation or 0))
    assert directions == [0] * 25
    assert max(correlations) > 0.3  # they are not noise either: the room's colours show through


def test_an_encoder_has_features_only() -> None:
    class Encoder(TeacherNetwork):
        def forward(self, pixels: Tensor) -> tuple[Tensor | None, FeatureMaps]:
            return None, [F.avg_pool2d(pixels, 16)]

    result = probe(Encoder(), (64, 96), "encoder")
    assert result == ProbeResult(FeatureSpec((3,), (16,)))
    assert (result.direction, result.line("none")) == (0, "features only")


@pytest.mark.parametrize(
    ("working", "multiple", "side", "size"),
    [
        (WorkingSize(96, 128, multiple=16, scale_rule="cover", pad=False), 16, None, (96, 128)),
        (WorkingSize(518, 518, multiple=14, scale_rule="cover", pad=False), 14, None, (140, 196)),
        (WorkingSize(384, 384, multiple=32, scale_rule="stretch", pad=False), 32, None, (128, 192)),
        (WorkingSize(1536, 1536, multiple=1, scale_rule="stretch", pad=False), 1, 1536, (1536, 1536)),
    ],
)
def test_probe_sizes(working: WorkingSize, multiple: int, side: int | None, size: tuple[int, int]) -> None:
    assert probe_size(working, multiple, side) == size


def test_the_real_teacher_sees_the_room(real_teacher: Path) -> None:
    contract = load_teacher(str(real_teacher)).contract
    assert contract.probe is not None and contract.probe.direction == 1
    assert contract.probe.correlation is not None and contract.probe.correlation > 0.9
    assert contract.probe.doubt("metric_depth") is None
