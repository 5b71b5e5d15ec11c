"""A student predicts by itself, at the image's own size; its raw call says once when it is given another size."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from disdepth_cli import load_student
from disdepth_cli.method.acclimated_teacher import ghost_size
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.working_size import WorkingSize, fit

IMAGE = np.random.default_rng(5).integers(0, 256, (480, 640, 3), dtype=np.uint8)


@pytest.fixture
def student():
    return load_student("bundled")


def warned(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(one.message) for one in caught]


def view(height, width, batch=1):
    return torch.zeros(batch, 3, height, width)


def test_the_raw_call_at_another_size_warns_once(student):
    (message,) = warned(lambda: student(view(480, 640)))
    for word in ("240x320", "256x320", "480x640", "student.predict(image)"):
        assert word in message
    assert "\n" not in message
    assert warned(lambda: student(view(480, 640))) == warned(lambda: student(view(64, 96))) == []
    assert len(warned(lambda: load_student("bundled")(view(64, 96)))) == 1  # each student once


def test_the_warning_names_the_callers_line(student):
    with pytest.warns(UserWarning, match="its distances will be wrong") as caught:
        student(view(480, 640))
    assert caught[0].filename == __file__


def test_training_and_fitting_sizes_do_not_warn(student):
    for height, width in ((256, 320), (320, 256), (256, 352), (448, 256)):
        assert warned(lambda: student(view(height, width, batch=2))) == []  # noqa: B023
    assert warned(lambda: student.train()(view(64, 96, batch=2))) == []


@settings(max_examples=300, deadline=None)
@given(
    size=st.sampled_from([(240, 320), (64, 96), (96, 64), (228, 304), (352, 1216), (256, 256), (32, 32)]),
    height=st.integers(1, 6000),
    width=st.integers(1, 6000),
)
def test_every_size_that_fit_gives_is_known(size, height, width):
    for own in (WorkingSize(*size), ghost_size(WorkingSize(*size)), WorkingSize(*size, scale_rule="stretch")):
        assert own.gives(*own.padded(height, width))


@pytest.mark.parametrize("size", [(480, 640), (224, 288), (128, 160), (128, 640), (32, 96), (512, 512), (1024, 1280)])
def test_other_sizes_are_not(size):
    assert not WorkingSize(240, 320).gives(*size)


def test_predict_is_right_where_the_raw_call_is_not(student):
    depth = student.predict(IMAGE)
    assert depth.values.shape == (480, 640) and depth.values.dtype == np.float32
    assert (depth.kind, depth.unit, depth.min_depth, depth.max_depth) == ("metric_depth", "metres", 0.001, 10.0)
    fitted, _ = fit(IMAGE, student.architecture.working_size)
    with torch.inference_mode():
        raw = student(torch.from_numpy(fitted).permute(2, 0, 1)[None].float() / 255).depth[0, 0].numpy()
    assert raw.shape == (256, 320) and np.abs(depth.values[::2, ::2] - raw[8:248]).mean() < 0.1 * raw.mean()


def test_predict_leaves_mode_and_weights_as_they_were(student):
    before = copy.deepcopy(student.state_dict())
    student.train()
    student.encoder.eval()  # as one who trains the decoder alone has it
    one = student.predict(IMAGE).values
    assert student.training and student.decoder.training and not student.encoder.training
    student.eval()
    assert np.array_equal(student.predict(IMAGE).values, one) and not student.training
    after = student.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    student.train()(view(64, 96, batch=2)).depth.sum().backward()  # it can still be trained


def test_one_after_the_other_is_as_one_by_one(student):
    images = [IMAGE, IMAGE[:100, :57], IMAGE[::2, ::3]]
    batched = student.predict_batch(iter(images))
    for depth, image in zip(batched, images, strict=True):
        assert np.array_equal(depth.values, student.predict(image).values)


def test_device_and_precision(student):
    half = student.predict(IMAGE, device="cpu", precision="bf16").values
    full = student.predict(IMAGE, precision="fp32").values
    assert 0 < np.abs(half - full).mean() < 0.05 * full.mean()
    assert np.array_equal(student.predict(IMAGE, device="cpu").values, full)


def test_a_relative_student_has_no_metres():
    torch.manual_seed(0)
    relative = StudentArchitecture("resnet18", 0.0, 1.0, WorkingSize(64, 96), output_kind="disparity")
    depth = build_student(relative).predict(IMAGE)
    assert (depth.kind, depth.unit, depth.max_depth) == ("disparity", "none", 1.0)


def test_it_can_be_exported_without_a_word(student):
    class Depths(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.student = student

        def forward(self, image):
            return self.student(image).depth

    program = torch.export.export(Depths().eval(), (view(64, 96),))
    assert warned(lambda: program.module()(view(64, 96))) == []
    assert len(warned(lambda: student(view(64, 96)))) == 1  # nor was the word used up


def test_predict_follows_the_weights_and_needs_no_grad_mode(student):
    before = student.predict(IMAGE).values
    with torch.inference_mode():
        loaded = load_student("bundled")
        assert np.array_equal(loaded.predict(IMAGE).values, before)
        assert np.array_equal(student.predict(IMAGE).values, before)
    with torch.no_grad():
        student.decoder.head.logits.weight.mul_(0.5)
    changed = student.predict(IMAGE).values
    assert np.abs(changed - before).mean() > 1e-3 * before.mean()
    assert np.array_equal(student.predict(IMAGE).values, changed)
