"""A teacher's own answer on whole images is that of its image processor in transformers, whatever the image's shape."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from disdepth_cli.predictor import DepthPredictor
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.transformers_family import quiet
from disdepth_cli.working_size import fit

SHAPES = {"4:3": (120, 160), "16:9": (135, 240), "street": (94, 310), "small": (54, 72), "tall": (200, 90)}
DPT = {"image_processor_type": "DPTImageProcessor"}
ASPECT = {**DPT, "keep_aspect_ratio": True, "ensure_multiple_of": 14}
PROCESSORS: dict[str, tuple[str, dict]] = {
    # name: model of conftest.MODELS, what its preprocessor_config.json says
    "aspect kept": ("metric", {**ASPECT, "size": {"height": 98, "width": 140}}),
    "aspect kept, square": ("relative", {**ASPECT, "size": {"height": 112, "width": 112}}),
    "another multiple": ("relative", {**ASPECT, "ensure_multiple_of": 32, "size": {"height": 96, "width": 128}}),
    "stretched": ("dpt-beit", {**DPT, "size": {"height": 64, "width": 96}}),
    "stretched, not to its patches": ("relative", {**DPT, "size": {"height": 100, "width": 130}}),
    "bilinear": ("relative", {**ASPECT, "resample": 2, "size": {"height": 70, "width": 98}}),
    "as it is, padded": (
        "dpt-dinov2-metric",
        {**DPT, "do_resize": False, "do_rescale": True, "do_pad": True, "size_divisor": 14},
    ),
    "as it is": ("relative", {**DPT, "do_resize": False}),
    "resized, then padded": ("dpt-dinov2", {**ASPECT, "ensure_multiple_of": 1, "do_pad": True, "size_divisor": 14,
                                            "size": {"height": 90, "width": 120}}),
    "swin": ("dpt-swinv2", {**DPT, "size": {"height": 64, "width": 96}}),
    "glpn": ("glpn", {"image_processor_type": "GLPNImageProcessor"}),
    "zoedepth": ("zoedepth", {"image_processor_type": "ZoeDepthImageProcessor", "ensure_multiple_of": 32,
                              "size": {"height": 64, "width": 96}}),
    "zoedepth without padding": ("zoedepth", {"image_processor_type": "ZoeDepthImageProcessor", "do_pad": False,
                                              "ensure_multiple_of": 32, "size": {"height": 64, "width": 96}}),
    "depth pro": ("depth-pro-16", {"image_processor_type": "DepthProImageProcessor",
                                "size": {"height": 128, "width": 128}}),
    "tipsv2": ("tipsv2", {"image_processor_type": "Tipsv2DptImageProcessor", "size": {"height": 84, "width": 112}}),
}  # fmt: skip


def photo(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8: the test room, as a photograph of that shape."""
    room = cv2.imread(str(Path(__file__).parents[2] / "disdepth_cli" / "assets" / "probe_rgb.png"))[..., ::-1]
    return cv2.resize(np.ascontiguousarray(room), (width, height), interpolation=cv2.INTER_CUBIC)


def lift(folder: Path) -> None:
    """Raise what enters the model's last ReLU: an untrained one cuts most off, and small differences would be large."""
    from safetensors.torch import load_file, save_file

    if load_teacher(str(folder)).contract.max_depth is not None:  # it ends in a sigmoid
        return
    weights = load_file(folder / "model.safetensors")
    for name in ("head.conv3.bias", "head.head.4.bias", "head.layers.4.bias"):
        if name in weights:
            weights[name] += 20.0
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def upstream_depth(folder: Path, image: np.ndarray) -> np.ndarray:
    """What transformers' own processor and model make of the image, (H, W), as its pipeline calls them."""
    import transformers

    with quiet():
        model = transformers.AutoModelForDepthEstimation.from_pretrained(folder, dtype=torch.float32).eval()
        processor = transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        outputs = model(**processor(images=image, return_tensors="pt"))
    return processor.post_process_depth_estimation(outputs, [image.shape[:2]])[0]["predicted_depth"].numpy()


def assert_same_pixels(predictor: DepthPredictor, folder: Path, image: np.ndarray) -> None:
    """What enters the network, of what its patches see, up to the rounding of eight bits."""
    import transformers

    with quiet():
        processor = transformers.AutoImageProcessor.from_pretrained(folder)
    theirs = processor(images=image, return_tensors="pt")["pixel_values"]
    fitted = torch.from_numpy(fit(image, predictor.working_size)[0]).permute(2, 0, 1).unsqueeze(0).float() / 255
    ours = (fitted - predictor.model.mean) / predictor.model.std
    rows, columns = ours.shape[-2:]
    multiple = predictor.working_size.multiple
    assert (rows, columns) == tuple(side // multiple * multiple for side in theirs.shape[-2:])
    assert float((ours - theirs[..., :rows, :columns]).abs().mean()) < 0.02


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Mean |ours - theirs| over mean |theirs|."""
    return float(np.abs(ours - theirs).mean() / np.abs(theirs).mean())


@pytest.mark.parametrize("name", PROCESSORS)
def test_own_answer_is_the_processors(name: str, tiny: Callable[[str], Path], tmp_path: Path) -> None:
    kind, options = PROCESSORS[name]
    folder = tmp_path / kind
    shutil.copytree(tiny(kind), folder)
    (folder / "processor_config.json").unlink(missing_ok=True)
    (folder / "preprocessor_config.json").write_text(json.dumps(options))
    lift(folder)
    predictor = teacher_predictor(load_teacher(str(folder)), torch.device("cpu"), "fp32")
    for shape, (height, width) in SHAPES.items():
        image = photo(height, width)
        assert_same_pixels(predictor, folder, image)
        theirs = upstream_depth(folder, image)
        ours = predictor.predict(image)
        assert ours.shape == theirs.shape
        spread = float(theirs.std() / np.abs(theirs).mean())
        assert spread > 0.005, f"{shape}: a constant would tell nothing"
        assert difference(ours, theirs) < 0.01, shape


def test_the_real_teachers_answer_is_its_processors(real_teacher: Path) -> None:
    predictor = teacher_predictor(load_teacher(str(real_teacher)), torch.device("cpu"), "fp32")
    for height, width in SHAPES.values():
        image = photo(2 * height, 2 * width)
        assert difference(predictor.predict(image), upstream_depth(real_teacher, image)) < 0.01
