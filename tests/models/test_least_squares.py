"""A random backbone solved for wanted features: how near it comes, in both modes, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from disdepth_cli.method.least_squares import start_by_least_squares
from disdepth_cli.models.encoder import BackboneStart, build_encoder
from disdepth_cli.models.lg_conv import insert_lg_convs

BATCHES, BATCH, SIDE = 12, 4, 96


def scenes(spec, seed=0):
    """Smooth images, and wanted features that are mixtures of what is seen around a place, standardised."""
    torch.manual_seed(seed)
    mixtures = [torch.randn(count, 6, generator=torch.Generator().manual_seed(level)) / 6**0.5
                for level, count in enumerate(spec.channels)]  # fmt: skip
    for _ in range(BATCHES):
        image = F.interpolate(torch.randn(BATCH, 3, 12, 12), size=(SIDE, SIDE), mode="bicubic", align_corners=False)
        wanted = []
        for stride, mixture in zip(spec.reductions, mixtures, strict=True):
            near = F.adaptive_avg_pool2d(image, SIDE // stride)
            wanted.append(torch.einsum("ck,bkhw->bchw", mixture, torch.cat([near, near.square() - 1], dim=1)))
        yield image, wanted


def explained(encoder, pairs, training):
    """Share of the wanted features' variance that a linear map of the encoder's own explains, level by level."""
    encoder.train(training)
    mine, theirs = [], []
    with torch.no_grad():
        for image, wanted in pairs:
            mine.append(encoder(image))
            theirs.append(wanted)
    shares = []
    for level in range(len(theirs[0])):
        x = torch.cat([one[level].movedim(1, -1).flatten(0, 2) for one in mine])
        y = torch.cat([one[level].movedim(1, -1).flatten(0, 2) for one in theirs])
        shares.append(float(1 - (x - y).square().sum() / (y - y.mean(0)).square().sum()))
    return shares


@pytest.mark.parametrize("name", ["mobilenetv2_050", "efficientnet_lite0"])
def test_a_backbone_starts_near_the_wanted_features(name):
    torch.manual_seed(0)
    encoder, _ = build_encoder(name, BackboneStart(pretrained=False))
    insert_lg_convs(encoder, "auto")
    before = explained(encoder, scenes(encoder.spec), training=True)
    sizes = [p.norm() for n, p in encoder.named_parameters() if n.endswith("conv_pwl.weight")]
    shares = start_by_least_squares(encoder, scenes(encoder.spec))
    after = explained(encoder, scenes(encoder.spec), training=True)
    assert len(shares) == 4 and all(share <= 1 for share in shares)
    assert before[0] < 0 and before[1] < 0
    assert after[0] > 0.3 and after[1] > 0.5 and after[2] > 0.5
    assert after[1] == pytest.approx(shares[1], abs=0.2)  # what it says of batches it has not solved for is true
    settled = explained(encoder, scenes(encoder.spec), training=False)
    assert settled[1] > 0.3  # the running statistics fit too
    now = [p.norm() for n, p in encoder.named_parameters() if n.endswith("conv_pwl.weight")]
    torch.testing.assert_close(now, sizes, rtol=1e-4, atol=0)  # and so the learning rate means what it meant


@pytest.mark.slow
def test_where_a_relu_follows_the_target_is_lifted_over_it():
    torch.manual_seed(0)
    encoder, _ = build_encoder("resnet10t", BackboneStart(pretrained=False))
    insert_lg_convs(encoder, "auto")  # dense convolutions of the last stages, the ones that are solved among them
    shares = start_by_least_squares(encoder, scenes(encoder.spec))
    assert shares[0] > 0.3 and shares[1] > 0.3 and min(shares) >= 0
    lowered = [(image, [feature + 1 for feature in wanted]) for image, wanted in scenes(encoder.spec)]
    assert explained(encoder, lowered, training=True)[1] > 0.2
    assert all(isinstance(share, float) for share in shares)


@pytest.mark.parametrize(("name", "batches"), [("ghostnet_050", BATCHES), ("densenet121", BATCHES), ("resnet18", 4)])
def test_what_cannot_be_solved_stays_as_it_is(name, batches):
    encoder, _ = build_encoder(name, BackboneStart(pretrained=False))
    was = {key: value.clone() for key, value in encoder.state_dict().items()}
    assert start_by_least_squares(encoder, list(scenes(encoder.spec))[:batches]) == []
    assert all(torch.equal(value, was[key]) for key, value in encoder.state_dict().items())
    assert encoder.training


def test_it_looks_at_no_more_images_than_fit_into_memory(monkeypatch):
    """Large images: fewer of them, and of a large batch a part; what is left out is not even asked for."""
    asked = []

    def pairs():
        for image, wanted in scenes(encoder.spec):
            asked.append(len(image))
            yield image, wanted

    encoder, _ = build_encoder("mobilenetv2_050", BackboneStart(pretrained=False))
    monkeypatch.setattr("disdepth_cli.method.least_squares.PIXELS", 6 * BATCH * SIDE * SIDE)
    assert len(start_by_least_squares(encoder, pairs())) == 4
    assert len(asked) == 6

    seen = []
    encoder.net.conv_stem.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    monkeypatch.setattr("disdepth_cli.method.least_squares.PIXELS", 10 * SIDE * SIDE)
    start_by_least_squares(encoder, scenes(encoder.spec))
    assert max(seen) == 2 and sum(seen) <= 14  # five batches of two, and one image to see what the network is
