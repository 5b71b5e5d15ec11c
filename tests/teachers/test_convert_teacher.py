"""Checkpoints of original repositories as teachers: the very weights in their places, or one line that says what is
wrong."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from disdepth_cli.config import ConvertTeacherConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.engine.convert_teacher import convert_teacher
from disdepth_cli.errors import ConfigError, DisdepthError, TeacherError
from disdepth_cli.results.models import ConvertedTeacher
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.files import instead_of

MIDAS = [
    (r"dpt\.embeddings\.cls_token", "pretrained.model.cls_token"),
    (r"dpt\.embeddings\.position_embeddings", "pretrained.model.pos_embed"),
    (r"dpt\.embeddings\.patch_embeddings\.projection", "pretrained.model.patch_embed.proj"),
    (r"dpt\.encoder\.layer\.(\d+)\.attention\.output\.dense", r"pretrained.model.blocks.\1.attn.proj"),
    (r"dpt\.encoder\.layer\.(\d+)\.layernorm_before", r"pretrained.model.blocks.\1.norm1"),
    (r"dpt\.encoder\.layer\.(\d+)\.layernorm_after", r"pretrained.model.blocks.\1.norm2"),
    (r"dpt\.encoder\.layer\.(\d+)\.intermediate\.dense", r"pretrained.model.blocks.\1.mlp.fc1"),
    (r"dpt\.encoder\.layer\.(\d+)\.output\.dense", r"pretrained.model.blocks.\1.mlp.fc2"),
    (r"dpt\.layernorm", "pretrained.model.norm"),
    *(
        (rf"neck\.reassemble_stage\.readout_projects\.{n}\.0", f"pretrained.act_postprocess{n + 1}.0.project.0")
        for n in range(4)
    ),
    *((rf"neck\.reassemble_stage\.layers\.{n}\.projection", f"pretrained.act_postprocess{n + 1}.3") for n in range(4)),
    *((rf"neck\.reassemble_stage\.layers\.{n}\.resize", f"pretrained.act_postprocess{n + 1}.4") for n in range(4)),
    *((rf"neck\.convs\.{n}", f"scratch.layer{n + 1}_rn") for n in range(4)),
    *((rf"neck\.fusion_stage\.layers\.{n}", f"scratch.refinenet{4 - n}") for n in range(4)),
    (r"(refinenet\d)\.projection", r"\1.out_conv"),
    (r"residual_layer(\d)\.convolution(\d)", r"resConfUnit\1.conv\2"),
    (r"^head\.head", "scratch.output_conv"),
]

ANYTHING = [  # names in transformers -> names of the authors, written down a second time
    (r"backbone\.embeddings\.(cls_token|mask_token)", r"pretrained.\1"),
    (r"backbone\.embeddings\.position_embeddings", "pretrained.pos_embed"),
    (r"backbone\.embeddings\.patch_embeddings\.projection", "pretrained.patch_embed.proj"),
    (r"backbone\.encoder\.layer\.(\d+)\.attention\.output\.dense", r"pretrained.blocks.\1.attn.proj"),
    (r"backbone\.encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1", r"pretrained.blocks.\1.ls\2.gamma"),
    (r"backbone\.encoder\.layer\.(\d+)\.(norm\d|mlp)", r"pretrained.blocks.\1.\2"),
    (r"backbone\.layernorm", "pretrained.norm"),
    (r"neck\.reassemble_stage\.layers\.(\d)\.projection", r"depth_head.projects.\1"),
    (r"neck\.reassemble_stage\.layers\.(\d)\.resize", r"depth_head.resize_layers.\1"),
    (r"neck\.convs\.0", "depth_head.scratch.layer1_rn"),
    (r"neck\.convs\.1", "depth_head.scratch.layer2_rn"),
    (r"neck\.convs\.2", "depth_head.scratch.layer3_rn"),
    (r"neck\.convs\.3", "depth_head.scratch.layer4_rn"),
    (r"neck\.fusion_stage\.layers\.0", "depth_head.scratch.refinenet4"),
    (r"neck\.fusion_stage\.layers\.1", "depth_head.scratch.refinenet3"),
    (r"neck\.fusion_stage\.layers\.2", "depth_head.scratch.refinenet2"),
    (r"neck\.fusion_stage\.layers\.3", "depth_head.scratch.refinenet1"),
    (r"(refinenet\d)\.projection", r"\1.out_conv"),
    (r"residual_layer(\d)\.convolution(\d)", r"resConfUnit\1.conv\2"),
    (r"head\.conv1\.(weight|bias)$", r"depth_head.scratch.output_conv1.\1"),
    (r"head\.conv2\.(weight|bias)$", r"depth_head.scratch.output_conv2.0.\1"),
    (r"head\.conv3\.(weight|bias)$", r"depth_head.scratch.output_conv2.2.\1"),
]


def original(folder: Path, rules: list[tuple[str, str]] = ANYTHING, blocks: str = "pretrained.blocks") -> dict:
    """The weights of a teacher under the names that they have in its authors' repository."""
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    made: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        if (part := re.fullmatch(r"(.*\.layer\.(\d+)\.attention\.attention)\.query\.(weight|bias)", name)) is not None:
            rows = [weights[f"{part[1]}.{which}.{part[3]}"] for which in ("query", "key", "value")]
            made[f"{blocks}.{part[2]}.attn.qkv.{part[3]}"] = torch.cat(rows)
        elif ".attention.attention." not in name:
            for pattern, theirs in rules:
                name = re.sub(pattern, theirs, name)
            made[name] = value
    return made


@pytest.fixture
def like(tiny: Callable[[str], Path]) -> Path:
    return tiny("relative")


@pytest.fixture
def trained(tiny: Callable[[str], Path], tmp_path: Path) -> Path:
    """A metric model that is nobody else's: its weights are not those of `like`."""
    folder = tmp_path / "trained"
    shutil.copytree(tiny("metric"), folder)
    shake(folder)
    return folder


def shake(folder: Path) -> None:
    generator = torch.Generator().manual_seed(7)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    for value in weights.values():
        value += 0.01 * torch.rand(value.shape, generator=generator)
    safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})


def assert_same_teacher(made: Path, trained: Path) -> None:
    """Up to what the image processor does, which is that of the model it is like."""
    one, other = load_teacher(str(made)).network, load_teacher(str(trained)).network
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        ours, theirs = one(pixels), other(pixels)
    assert torch.equal(ours[0], theirs[0]) and all(map(torch.equal, ours[1], theirs[1]))


def convert(**options: object) -> ConvertedTeacher:
    return convert_teacher(build_config(ConvertTeacherConfig, options))


WAYS = {
    "plain": lambda weights: weights,
    "data parallel": lambda weights: {f"module.{name}": value for name, value in weights.items()},
    "compiled, in a dict": lambda weights: {
        "model": {f"_orig_mod.module.{name}": value for name, value in weights.items()},
        "optimizer": {"state": {}, "lr": 1e-4},
        "epoch": 3,
    },
    "lightning": lambda weights: {
        "epoch": 1,
        "state_dict": {f"model.{name}": value.half() for name, value in weights.items()},
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_depth_anything_from_its_own_repository(way: str, trained: Path, like: Path, tmp_path: Path) -> None:
    file = tmp_path / "latest.pth"
    torch.save(WAYS[way](original(trained)), file)
    result = convert(file=file, like=str(like), max_depth=10)
    folder = tmp_path / "latest-teacher"
    assert result["teacher"] == str(folder) and result["contract"]["kind"] == "metric_depth"
    config = json.loads((folder / "config.json").read_text())
    assert (config["max_depth"], config["depth_estimation_type"]) == (10, "metric")
    if way != "lightning":  # in half precision
        assert_same_teacher(folder, trained)
    assert sum("qkv" in name for name in result["key_map"]) == 8
    assert all(len(names) == (3 if "qkv" in name else 1) for name, names in result["key_map"].items())
    assert any(line.endswith("depth_head.projects.*.weight") for line in result["grouped"])


def test_midas_from_its_own_repository(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    trained = tmp_path / "trained"
    shutil.copytree(tiny("dpt"), trained)
    shake(trained)
    file = tmp_path / "dpt.pt"
    weights = original(trained, MIDAS, "pretrained.model.blocks")
    torch.save({**weights, "pretrained.model.head.weight": torch.zeros(10, 24)}, file)  # a classifier's
    convert(file=file, like=str(tiny("dpt")), output=tmp_path / "made")
    assert_same_teacher(tmp_path / "made", trained)


def test_names_of_transformers_with_something_before_them(trained: Path, tmp_path: Path) -> None:
    """A folder whose weights a training script saved: told when it is loaded, and mended by the command it names."""
    weights = safetensors.torch.load_file(trained / "model.safetensors")
    nearly = tmp_path / "nearly"
    shutil.copytree(trained, nearly)
    named = {f"module.{name}": value for name, value in weights.items()}
    safetensors.torch.save_file(named, nearly / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        TeacherError, match=r"begin with 'module\.', .*convert-teacher \S+ --like \S+ -o FOLDER"
    ) as caught:
        load_teacher(str(nearly))
    file, like = re.search(r"convert-teacher (\S+) --like (\S+)", str(caught.value)).groups()
    convert(file=file, like=like, output=tmp_path / "mended")
    assert_same_teacher(tmp_path / "mended", trained)


def test_the_licence_goes_with_it(trained: Path, like: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(like, theirs)
    (theirs / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    torch.save(original(trained), tmp_path / "a.pth")
    convert(file=tmp_path / "a.pth", like=str(theirs), max_depth=10, output=tmp_path / "made")
    assert load_teacher(str(tmp_path / "made")).contract.licence == "cc-by-nc-4.0"


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda w: {name: value for name, value in w.items() if ".norm1" not in name},
            r"lacks backbone\.encoder\.layer",
        ),
        (
            lambda w: {**w, "pretrained.extra.weight": torch.zeros(2)},
            r"has no place there for pretrained\.extra\.weight",
        ),
        (lambda w: {"encoder.conv.weight": torch.zeros(2), "x.y": torch.zeros(1)}, "is no tiny-relative: 0 of its 2"),
        (lambda w: {"pretrained.pos_embed": w["pretrained.pos_embed"]}, "is no tiny-relative"),
        (lambda w: {**w, "pretrained.cls_token": torch.zeros(1, 1, 768)}, r"of shape \(1, 1, 768\).*the Base model"),
        (lambda w: {"model": w, "critic": Evil()}, "holds pickled objects .*torch.save"),
        (lambda w: {"epoch": 3, "lr": 0.1}, r"holds no weights that can be told \(epoch, lr\)"),
        (lambda w: [1, 2], "holds no weights"),
    ],
)
def test_what_does_not_fit_is_told(
    made, message: str, trained: Path, like: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(made(original(trained)), tmp_path / "a.pth")
    with pytest.raises(DisdepthError, match=message) as caught:
        convert(file=tmp_path / "a.pth", like=str(like), output=tmp_path / "made")
    assert "a.pth: " in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists() and not (tmp_path / "ran").exists()


def test_places_that_are_taken_or_missing(like: Path, tmp_path: Path) -> None:
    with pytest.raises(DisdepthError, match="gone.pth: no such file"):
        convert(file=tmp_path / "gone.pth", like=str(like))
    (tmp_path / "a.pth").write_bytes(b"PK nonsense")
    with pytest.raises(DisdepthError, match="cannot be read as a checkpoint"):
        convert(file=tmp_path / "a.pth", like=str(like))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ConfigError, match="already holds something"):
        convert(file=tmp_path / "a.pth", like=str(like), output=tmp_path / "full")


@pytest.mark.slow
def test_the_command_shows_the_map(trained: Path, like: Path, tmp_path: Path, run_disdepth) -> None:
    torch.save(original(trained), tmp_path / "a.pth")
    args = ("convert-teacher", tmp_path / "a.pth", "--like", like, "--max-depth", "10", "--offline")
    shown = run_disdepth(*args)
    assert shown.returncode == 0, shown.stderr
    assert "pretrained.blocks.*.ls*.gamma -> backbone.encoder.layer.*.layer_scale*.lambda*" in shown.stdout
    assert shown.stdout.rstrip().endswith(f"teacher: {tmp_path}/a-teacher")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99\n"


def test_nearly_right_folders_are_told_what_to_do(trained: Path, tmp_path: Path) -> None:
    weights = trained / "model.safetensors"
    content = weights.read_bytes()
    weights.write_text(POINTER)
    with pytest.raises(TeacherError, match="model.safetensors is a Git LFS pointer, .*git lfs pull"):
        load_teacher(str(trained))
    weights.unlink()
    for names, message in (
        (["model.fp16.safetensors"], "has model.fp16.safetensors: rename that to model.safetensors"),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            "2 shards, .*no model.safetensors.index",
        ),
    ):
        for name in names:
            (trained / name).write_bytes(content)
        with pytest.raises(TeacherError, match=message):
            load_teacher(str(trained))
        for name in names:
            (trained / name).unlink()
    (trained / "depth_anything_v2_vits.pth").write_bytes(b"x")
    with pytest.raises(TeacherError, match="never loaded; write it anew: disdepth convert-teacher"):
        load_teacher(str(trained))
    (trained / "config.json").unlink()
    with pytest.raises(TeacherError, match="no config.json, .*convert-teacher .*vits.pth --like ID, .*Small-hf"):
        load_teacher(str(trained))


@pytest.mark.parametrize(
    ("original_id", "in_transformers"),
    [
        ("depth-anything/Depth-Anything-V2-Small", "depth-anything/Depth-Anything-V2-Small-hf"),
        (
            "depth-anything/Depth-Anything-V2-Metric-Hypersim-Base",
            "depth-anything/Depth-Anything-V2-Metric-Indoor-Base-hf",
        ),
        ("apple/DepthPro", "apple/DepthPro-hf"),
    ],
)
def test_original_repositories_are_known(original_id: str, in_transformers: str, tmp_path: Path) -> None:
    assert instead_of(original_id, tmp_path) == f"; in transformers it is {in_transformers}"


@pytest.mark.filterwarnings("default")
def test_the_converted_model_is_the_original_function(tmp_path: Path) -> None:
    """Against the original code itself, of other packages that contain it: DINOv2's and the depth head's."""
    vision = pytest.importorskip("moge.model.dinov2.models.vision_transformer", reason="dlr-moge is not installed")
    pytest.importorskip("addict", reason="depth-anything-3 is not installed")
    heads = pytest.importorskip("depth_anything_3.model.dpt", reason="depth-anything-3 is not installed")
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    sizes = {"hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 4, "patch_size": 14, "image_size": 56}
    backbone = Dinov2Config(**sizes, out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True)
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=24,
        neck_hidden_sizes=[8, 12, 16, 20],
        fusion_hidden_size=8,
        head_hidden_size=32,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(tmp_path / "like")
    torch.manual_seed(5)
    encoder = vision.DinoVisionTransformer(
        img_size=56, patch_size=14, embed_dim=24, depth=4, num_heads=2, init_values=1.0, block_chunks=0
    ).eval()
    head = heads.DPT(24, output_dim=1, features=8, out_channels=[8, 12, 16, 20], activation="relu", pos_embed=False,
                     use_sky_head=False).eval()  # fmt: skip
    torch.nn.init.constant_(head.scratch.output_conv2[2].bias, 1.0)  # or the last ReLU may leave nothing
    weights = {f"pretrained.{name}": value for name, value in encoder.state_dict().items()}
    weights |= {f"depth_head.{name}": value for name, value in head.state_dict().items()}
    torch.save({"model": weights}, tmp_path / "vits.pth")
    convert(file=tmp_path / "vits.pth", like=str(tmp_path / "like"), output=tmp_path / "made")
    pixels = torch.randn(1, 3, 70, 98)
    with torch.no_grad():
        tokens = encoder.get_intermediate_layers(pixels, n=[0, 1, 2, 3])
        theirs = head([(layer.unsqueeze(1),) for layer in tokens], 70, 98, patch_start_idx=0)["depth"].flatten(0, 1)
        ours = load_teacher(str(tmp_path / "made")).network(pixels)[0][:, 0]
    assert float(theirs.std()) > 1e-3
    assert torch.allclose(ours, theirs.reshape(ours.shape), atol=1e-4)
