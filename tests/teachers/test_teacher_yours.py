"""Networks of one's own: how they are found, described, held to their word, and told what is wrong in one line."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from disdepth_cli.config.teacher_name import GIVEN
from disdepth_cli.errors import TeacherError
from disdepth_cli.machine.devices import channels_last
from disdepth_cli.teachers import Tap, load_teacher
from disdepth_cli.teachers.describe import describe_teacher
from disdepth_cli.teachers.tuning import unfreeze
from disdepth_cli.types import ViewOrigin

FILE = Path(__file__).parent / "own_network.py"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("disdepth_cli.config.teacher_name.GIVEN", GIVEN)
    GIVEN.clear()


def own(function: str = "own"):
    return load_teacher(f"{FILE}:{function}")


def module():
    own()
    return next(
        m for name, m in sys.modules.items() if name.startswith("disdepth_teacher_") and m.__file__ == str(FILE)
    )


def views(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def test_a_description_becomes_a_teacher() -> None:
    teacher = own()
    contract = teacher.contract
    assert (contract.id, contract.family, contract.kind, contract.unit) == (
        "own_network.py:own",
        "yours",
        "metric_depth",
        "m",
    )
    assert contract.taps == ("blocks.0", "blocks.1", "neck")
    assert (contract.spec.channels, contract.spec.reductions) == ((16, 16, 12), (8, 8, 8))
    assert (contract.max_depth, contract.licence, contract.sees) == (4.0, "cc-by-nc-4.0", "view")
    image = views(2, 3, 60, 100)
    seen = teacher(image)
    assert seen.depth.shape == (2, 1, 60, 100) and 1 < float(seen.depth.min()) < float(seen.depth.max()) < 4
    assert [tuple(feature.shape) for feature in seen.features] == [(2, 16, 8, 12)] * 2 + [(2, 12, 8, 12)]
    assert float(seen.features[2].min()) == 0.0  # the tap's own function was asked
    lines = dict(line.split(": ", 1) for line in contract.lines())
    assert "non-commercial" in lines["licence_note"]


def test_tokens_lie_where_the_pixels_are() -> None:
    """The prefix token is dropped, and rows and columns are not exchanged."""
    teacher = own()
    model = teacher.network.model
    seen: list[torch.Tensor] = []
    handle = model.blocks[0].register_forward_hook(lambda module, args, output: seen.append(output))
    given = teacher(views(1, 3, 64, 96)).features[0]
    handle.remove()
    assert torch.equal(given[0, :, 2, 5], seen[0][0, 1 + 2 * 12 + 5])


def test_the_probe_looks_at_it_and_flops_are_counted_on_real_numbers() -> None:
    contract = describe_teacher(f"{FILE}:own")
    assert contract.probe is not None and contract.probe.maximum < 4
    assert contract.flops and contract.flops > 1e5
    assert contract.weight_bytes == 4 * contract.parameters


def test_numbers_beyond_what_it_says_are_an_error(tmp_path: Path) -> None:
    description = module().own()
    for wrong, message in (
        (replace(description, max_depth=2.0), "beyond its own max_depth of 2 m; correct max_depth in its description"),
        (replace(description, output=lambda given: -given["depth"][:, 0]), "negative metres .* fit its description"),
        (replace(description, kind=None), 'leaves open what its numbers are .*kind="metric_depth"'),
        (replace(description, output=lambda given: given["depth"] * torch.nan), "non-finite"),
    ):
        with pytest.raises(TeacherError, match=message):
            load_teacher(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"taps": ("blocks.7",)}, r"has no submodule 'blocks\.7'; did you mean"),
        (
            {"input": lambda pixels: pixels[[0]].view(1, 3, *pixels.shape[2:])},
            "takes 1x.* but not 2x.*give it fixed=True",
        ),
        ({"output": None, "taps": ("token",)}, "has no submodule 'token'"),
        ({"output": lambda given: list(given.values())}, r"its depth is"),
        ({"output": lambda given: given}, "its depth is|could not|Could not|infer"),
        ({"kind": "metres"}, "kind='metres'; it is one of metric_depth"),
        ({"size": 224}, "size=224"),
        ({"size": (60, 96)}, r"size=\(60, 96\) is no multiple of 8"),
        ({"kind": "none", "taps": ()}, "nothing to learn from"),
        ({"output": lambda given: None}, "description says metric_depth, but it gives no depth"),
        ({"taps": (Tap("neck", lambda given, pixels: given.flatten()),)}, "no map"),
        ({"mean": (0.5,)}, "mean and std"),
        ({"files": ("gone.onnx",)}, "gone.onnx cannot be read"),
    ],
)
def test_what_is_wrong_with_a_description_is_told(changes: dict, message: str) -> None:
    with pytest.raises(TeacherError, match=message) as caught:
        load_teacher(replace(module().own(), **changes))
    assert "\n" not in str(caught.value)


def test_a_tap_that_is_never_called(monkeypatch: pytest.MonkeyPatch) -> None:
    description = module().own()
    description.network.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(TeacherError, match="its tap spare is not called"):
        load_teacher(replace(description, taps=("spare",)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{FILE}:owm", "has no owm; did you mean own"),
        (f"{FILE}", r"own_network\.py:FUNCTION; it has Block, Own, network, own"),
        (f"{FILE.parent}/gone.py:own", "gone.py: no such file"),
        (f"{FILE}:broken", r"own_network\.py:broken: KeyError: 'weights', own_network\.py line \d+"),
        (f"{FILE}:number", "gives int; return a TeacherDescription"),
        ("object:Gone", "of another Python process"),
    ],
)
def test_a_name_that_leads_nowhere_is_told(name: str, message: str) -> None:
    with pytest.raises(TeacherError, match=message) as caught:
        load_teacher(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:", "SyntaxError"),
        ("import no_such_package_at_all\n", "ModuleNotFoundError: .*line 1; install what it needs"),
    ],
)
def test_a_file_that_cannot_be_run(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(TeacherError, match=message):
        load_teacher(f"{tmp_path}/bad.py:f")


def test_modules_beside_the_file_are_found_and_leave_no_trace(tmp_path: Path) -> None:
    shutil.copy(FILE, tmp_path / "netz.py")
    (tmp_path / "adapter.py").write_text("def mine():\n    from netz import own\n    return own()\n")
    before = list(sys.path)
    assert load_teacher(f"{tmp_path}/adapter.py:mine").contract.id == "adapter.py:mine"
    assert sys.path == before


def test_the_fingerprint_is_of_weights_and_file(tmp_path: Path) -> None:
    marks = {own().contract.fingerprint, own().contract.fingerprint}
    copy = tmp_path / "own_network.py"
    copy.write_text(FILE.read_text() + "\n# changed\n")
    marks.add(load_teacher(f"{copy}:own").contract.fingerprint)
    description = module().own()
    with torch.no_grad():
        description.network.head.bias += 1e-3
    other = replace(description, name="own")
    marks.add(load_teacher(other).contract.fingerprint)
    (tmp_path / "more.onnx").write_bytes(b"1")
    marks.add(load_teacher(replace(other, files=(tmp_path / "more.onnx",))).contract.fingerprint)
    assert len(marks) == 4


def test_views_do_not_fail_on_channels_last() -> None:
    teacher = channels_last(own())
    image = views(1, 3, 64, 96).to(memory_format=torch.channels_last)
    assert torch.allclose(teacher(image).depth, own()(image.contiguous()).depth, rtol=1e-5)


def test_a_class_with_its_own_features_in_inference_mode_can_be_learned_from() -> None:
    teacher = own("Whole")
    assert (teacher.contract.mean, teacher.contract.std) == ((0.0,) * 3, (1.0,) * 3)
    assert teacher.contract.taps == ("feature1",) and teacher.contract.spec.channels == (12,)
    seen = teacher(views(1, 3, 64, 96))
    weight = nn.Conv2d(12, 1, 1)
    (weight(seen.features[0]).mean() + (weight.bias * seen.depth).mean()).backward()  # inference tensors refuse it
    assert weight.weight.grad is not None


def test_what_gives_no_gradient_is_not_trained_in_silence() -> None:
    teacher = own("Whole")
    unfreeze(teacher, "full")
    with pytest.raises(TeacherError, match="gives no gradient .*leave it frozen"):
        teacher(views(1, 3, 64, 96))
    other = own()
    unfreeze(other, "last-1")
    assert any(parameter.requires_grad for parameter in other.network.model.blocks[1].parameters())
    assert not any(parameter.requires_grad for parameter in other.network.model.blocks[0].parameters())
    other(views(1, 3, 64, 96)).depth.mean()


def test_an_object_without_weights_of_a_fixed_size() -> None:
    teacher = own("Session")
    contract = teacher.contract
    assert (contract.parameters, contract.fixed_size, contract.sees) == (0, (48, 64), "whole")
    assert teacher(views(2, 3, 96, 96)).depth.shape == (2, 1, 96, 96)
    assert describe_teacher(f"{FILE}:Session").flops is None


def test_objects_in_python_stand_for_themselves() -> None:
    code = module()
    by_function = load_teacher(code.own)
    assert by_function.contract.id == "own_network.py:own"
    first, second = code.no_taps(), code.relative()
    assert [load_teacher(one).contract.id for one in (first, second, first)] == ["Own", "Own-2", "Own"]
    assert load_teacher("object:Own-2").contract.kind == "disparity"  # as a run remembers it
    assert load_teacher(code.Whole()).contract.id == "Whole"


def test_a_function_of_a_file_is_named_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(FILE, tmp_path / "standing_alone.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    import standing_alone  # type: ignore[import-not-found]

    from disdepth_cli.config import AcclimateConfig
    from disdepth_cli.config.build import build_config

    config = build_config(AcclimateConfig, {"teacher": standing_alone.own, "data": str(tmp_path)})
    assert config.teacher.name == f"{tmp_path}/standing_alone.py:own"
    GIVEN.clear()  # as another process
    assert load_teacher(config.teacher.name).contract.id == "standing_alone.py:own"


def test_an_installed_package_brings_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packaged").mkdir()
    shutil.copy(FILE, tmp_path / "packaged" / "__init__.py")
    info = tmp_path / "packaged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: packaged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[disdepth.teachers]\nown-net = packaged:own\nbad-net = packaged:broken\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_teacher("own-net").contract.id == "own-net"
    with pytest.raises(TeacherError, match=r"bad-net: KeyError: 'weights', __init__\.py line"):
        load_teacher("bad-net")


def test_nothing_runs_that_was_not_named(tmp_path: Path) -> None:
    """A run folder may come from anybody: its file is run where this user has named the same file before."""
    mark, file = tmp_path / "ran", tmp_path / "theirs.py"
    file.write_text(f"open({str(mark)!r}, 'w').close()\n" + FILE.read_text().split('"""', 2)[2].replace(
        "from __future__ import annotations", ""))  # fmt: skip
    with pytest.raises(
        TeacherError, match=r"you have not named it on this machine; .*--teacher .*theirs\.py:own --dry-run"
    ):
        load_teacher(f"{file}:own", named=False)
    assert not mark.exists()
    load_teacher(f"{file}:own")
    mark.unlink()
    load_teacher(f"{file}:own", named=False)  # the same content now
    file.write_text(file.read_text() + "\n# changed\n")
    with pytest.raises(TeacherError, match="you have not named it"):
        load_teacher(f"{file}:own", named=False)


def origin(focal: float, count: int = 1) -> ViewOrigin:
    one = ViewOrigin.of_one((0.0, 0.0, 1.0, 1.0), False, 1.0, focal, {})
    return ViewOrigin.collate([one] * count)


def test_focal_lengths_reach_the_network_in_its_own_pixels() -> None:
    teacher = own("by_focal")
    assert teacher.contract.needs_focal
    image = views(1, 3, 64, 96)
    near, far = (teacher(image, origin(focal)).depth for focal in (80.0, 160.0))
    assert torch.allclose(far, 2 * near)
    # A view of 100 pixels is brought to 96: so is its focal length.
    other = teacher(torch.nn.functional.interpolate(image, (64, 100)), origin(100.0)).depth
    assert float(other.mean()) == pytest.approx(float(teacher(image, origin(96.0)).depth.mean()), rel=0.02)


@pytest.mark.parametrize("unknown", [None, origin(float("nan"))], ids=["no origin", "unknown"])
def test_a_missing_focal_length_is_told(unknown: ViewOrigin | None) -> None:
    with pytest.raises(TeacherError, match="needs the focal length .*`focal:` in data.yaml"):
        own("by_focal")(views(1, 3, 64, 96), unknown)


def test_depth_alone_is_its_own_feature() -> None:
    teacher = own("no_taps")
    assert teacher.contract.depth_alone and teacher.contract.taps == ("depth/4", "depth/8", "depth/16", "depth/32")
    seen = teacher(views(2, 3, 64, 96))
    assert [tuple(feature.shape) for feature in seen.features] == [
        (2, 16, 64 // step, 96 // step) for step in (4, 8, 16, 32)
    ] or seen.features[0].shape[1] == 16
    lines = dict(line.split(": ", 1) for line in teacher.contract.lines())
    assert lines["taps"].endswith("depth alone: output distillation only")
