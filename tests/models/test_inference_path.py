"""The student's inference path: exact rewrites of the head, and norms that are part of their convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from disdepth_cli.config import STUDENTS
from disdepth_cli.models import heads
from disdepth_cli.models.folding import without_norms
from disdepth_cli.models.heads import BinHead, expectation, softmax_expectation
from disdepth_cli.models.lg_conv import LGConv
from disdepth_cli.models.student import StudentArchitecture, build_student, load_checkpoint, load_student
from disdepth_cli.scoring.open_model import open_model
from disdepth_cli.working_size import WorkingSize


def trained(name, lg_conv="none"):
    """A student whose norms and LG-Convs have left their start."""
    torch.manual_seed(0)
    student = build_student(StudentArchitecture(STUDENTS.get(name, name), 0.5, 8.0, WorkingSize(64, 96), lg_conv))
    for module in student.modules():
        if isinstance(module, LGConv):
            nn.init.normal_(module.broadcast.weight, std=0.5)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        for _ in range(3):
            student(torch.rand(4, 3, 64, 96))
    return student.eval()


def norms(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def test_the_head_is_the_papers_sum_of_probabilities_times_centres():
    torch.manual_seed(0)
    head = BinHead(8, 16, 0.5, 8.0)
    nn.init.normal_(head.widths[-1].weight)
    head.for_prediction = True
    finest, coarsest = torch.randn(2, 8, 5, 7) * 4, torch.randn(2, 8, 2, 3)
    depth, logits, centres = head(finest, coarsest)
    share = head.widths(coarsest.mean(dim=(2, 3))).double().softmax(dim=1)
    upper = 0.5 + 7.5 * share.cumsum(dim=1)
    wanted = upper - 7.5 * share / 2
    torch.testing.assert_close(centres.double(), wanted, rtol=1e-6, atol=0)
    probabilities = logits.double().softmax(dim=1)
    torch.testing.assert_close(
        depth[:, 0].double(), torch.einsum("bnhw,bn->bhw", probabilities, wanted), rtol=2e-6, atol=0
    )
    assert "to_centres" not in "".join(head.state_dict())  # a constant: older checkpoints have no such tensor


def test_the_expectation_has_the_softmaxs_gradient_and_never_overflows():
    torch.manual_seed(0)
    logits, centres = torch.randn(2, 16, 3, 4, requires_grad=True), torch.rand(2, 16, requires_grad=True)
    depth = torch.einsum("bnhw,bn->bhw", logits.softmax(dim=1), centres)[:, None]
    wanted = torch.autograd.grad(depth.square().sum(), (logits, centres))
    got = torch.autograd.grad(expectation(logits, centres).square().sum(), (logits, centres))
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-7)
    assert torch.isfinite(expectation(logits * 1e4, centres)).all()
    torch.testing.assert_close(expectation(logits, centres), softmax_expectation(logits, centres))


def test_training_takes_the_softmaxs_gradient_and_prediction_the_product(monkeypatch):
    head = BinHead(8, 16, 0.5, 8.0)
    nn.init.normal_(head.widths[-1].weight)
    features = torch.randn(2, 8, 5, 7), torch.randn(2, 8, 2, 3)
    used = []
    for function in (softmax_expectation, expectation):
        monkeypatch.setattr(heads, function.__name__, lambda *given, of=function: used.append(of) or of(*given))
    trained_, _, centres = head(*features)
    head.for_prediction = True
    predicted, _, same = head(*features)
    assert used == [softmax_expectation, expectation]
    torch.testing.assert_close((predicted, same), (trained_, centres), rtol=2e-6, atol=0)


@pytest.mark.parametrize("name", STUDENTS)
@pytest.mark.parametrize("lg_conv", ["none", "all"])
def test_every_norm_of_the_named_students_is_folded_and_the_depth_stays(name, lg_conv):
    student = trained(name, lg_conv)
    before = norms(student)
    folded = without_norms(student)
    assert norms(student) == before > norms(folded) == 0
    image = torch.rand(1, 3, 96, 64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(image).depth, student(image).depth, rtol=1e-5, atol=0)


def test_a_convolution_that_is_used_twice_is_left_alone():
    class Twice(nn.Module):
        """Strides 4 to 32 of a convolution whose output is used with its norm and without."""

        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8)

        def forward(self, image):
            plain = self.conv(image)
            both = self.norm(plain) + plain
            return [nn.functional.avg_pool2d(both, k) if k > 1 else both for k in (1, 2, 4, 8)]

    student = trained("resnet18")
    net, twice = student.encoder.net, Twice()
    nn.init.uniform_(twice.norm.running_mean, 1, 2)

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.twice = net, twice

        def forward(self, image):
            return [a + b.mean(1, keepdim=True) for a, b in zip(self.net(image), self.twice(image), strict=True)]

    student.encoder.net = Both()
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(without_norms(student.eval())(image).depth, student(image).depth)


def test_a_student_for_prediction_is_folded_and_one_to_train_is_not():
    predictor, student = open_model("bundled", "cpu"), load_student("bundled")
    assert norms(predictor.model) == 0 < norms(student)
    assert predictor.parameters == sum(p.numel() for p in student.parameters())
    assert predictor.model.decoder.head.for_prediction and not student.decoder.head.for_prediction


def test_the_bundled_students_metres_are_those_of_softmax_and_norms():
    student, _ = load_checkpoint("bundled")
    image = torch.rand(1, 3, 256, 320, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        output = student(image)
        decoded = output.decoder
        old = torch.einsum("bnhw,bn->bhw", decoded.bin_logits.softmax(dim=1), decoded.bin_centres)
        torch.testing.assert_close(decoded.depth[:, 0], old, rtol=3e-6, atol=0)
        torch.testing.assert_close(without_norms(student)(image).depth, output.depth, rtol=1e-5, atol=0)
