"""A frozen teacher's outputs are kept by content, rounded alike on a miss and a hit, and read instead of computed."""

from __future__ import annotations

import copy
import errno
import json
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from disdepth_cli import acclimate, distill
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.config import AcclimateConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.errors import ConfigError, DisdepthError
from disdepth_cli.machine.devices import autocast
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.runs.folder import RunFolder
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.training.open_teacher_cache import view_bytes

TWO_VIEWS = {"views": 2, "seed": 11, "crop_size": "32x64"}  # smaller than the images: no two views are alike
TWICE = {"max_steps": 9, "augment": TWO_VIEWS}  # 36 views of 17 images: two come again
BARE = {"feature_projection": "dropped", "init_backbone": "random"}
"""Adapters and least squares would look at some views before the first step."""


@pytest.fixture
def teacher(tiny_teacher):
    return load_teacher(str(tiny_teacher), offline=True)


@pytest.fixture
def looks(monkeypatch):
    """How many images every call of any teacher saw, in training or not."""
    seen: list[int] = []
    infer = DepthTeacher.infer

    def counted(self, image, focal=None):
        seen.append(len(image))
        return infer(self, image, focal)

    monkeypatch.setattr(DepthTeacher, "infer", counted)
    return seen


def views(count, seed=0):
    return torch.rand(count, 3, 64, 96, generator=torch.Generator().manual_seed(seed))


def same(one, other):
    pairs = zip([one.depth, *one.features], [other.depth, *other.features], strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def files(folder):
    return sorted(folder.rglob("*.safetensors"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_read_is_what_was_given_when_it_was_computed(precision, teacher, looks, tmp_path):
    image = views(3)
    with torch.no_grad(), autocast(image.device, precision):
        raw = teacher(image)
        first = TeacherCache(tmp_path).infer(teacher, image, precision)
        looks.clear()
        second = TeacherCache(tmp_path).infer(teacher, image.to(memory_format=torch.channels_last), precision)
    assert same(first, second) and looks == []
    assert torch.equal(first.depth, raw.depth) and first.depth.dtype == torch.float32
    for theirs, mine in zip(raw.features, first.features, strict=True):
        assert mine.dtype == torch.float32 and torch.equal(mine, theirs.half().float())
    assert len(files(tmp_path)) == 3
    for file in files(tmp_path):
        assert file.parent.parent == tmp_path and len(file.parent.name) == 2
        assert file.stat().st_size == pytest.approx(view_bytes(teacher, 64, 96), rel=0.15)


def test_only_what_is_missing_is_computed_and_only_once(teacher, looks, tmp_path):
    image, memory = views(4), TeacherCache(tmp_path)
    with torch.no_grad():
        some = memory.infer(teacher, image[[1, 3]], "fp32")
        mixed = memory.infer(teacher, torch.cat([image, image[:1]]), "fp32")
    assert looks == [2, 2]  # the view that stands there twice is looked at once
    assert (memory.views, memory.computed) == (7, 4)
    assert same(some, type(some)(mixed.depth[[1, 3]], [feature[[1, 3]] for feature in mixed.features]))
    assert torch.equal(mixed.depth[0], mixed.depth[4]) and not torch.equal(mixed.depth[0], mixed.depth[1])
    with torch.no_grad():
        alone = teacher(image[2:3])
    torch.testing.assert_close(mixed.depth[2:3], alone.depth)


def test_another_view_precision_or_teacher_finds_nothing(teacher, looks, tmp_path):
    image, memory = views(1), TeacherCache(tmp_path)
    trained = copy.deepcopy(teacher)  # as a teacher that was trained in its acclimation: the same contract
    with torch.no_grad():
        next(iter(trained.network.parameters())).mul_(1.5)
        memory.infer(teacher, image, "fp32")
        nearly = image.clone()
        nearly[0, 0, 0, 0] += 1e-4
        turned = image.reshape(1, 3, 96, 64)  # the same bytes
        for other in (nearly, turned):
            memory.infer(teacher, other, "fp32")
        memory.infer(teacher, image, "bf16")
        memory.infer(trained, image, "fp32")
        assert len(looks) == 5 == len(files(tmp_path))
        memory.infer(teacher, image, "fp32")
    assert len(looks) == 5


def test_numbers_beyond_float16_survive(teacher, monkeypatch, tmp_path):
    infer = DepthTeacher.infer

    def wild(self, image, focal=None):
        output = infer(self, image, focal)
        output.depth[:, :, 0, :4] = torch.tensor([torch.nan, torch.inf, 1e6, 1e-9])
        output.features[0][0, 0, 0, 0] = 1e5  # of the first image only
        output.features[1][0, 0, 0, 0] = torch.nan
        output.features[2] = output.features[2].bfloat16()  # as autocast gives some
        output.features[2][0, 0, 0, 0] = 1e38
        return output

    monkeypatch.setattr(DepthTeacher, "infer", wild)
    image = views(2)
    with torch.no_grad():
        raw = teacher(image)
        outputs = [TeacherCache(tmp_path).infer(teacher, image, "fp32") for _ in range(2)]
    for output in outputs:
        torch.testing.assert_close(output.depth, raw.depth, rtol=0, atol=0, equal_nan=True)
        for level in (0, 1):
            torch.testing.assert_close(
                output.features[level][0], raw.features[level][0], rtol=0, atol=0, equal_nan=True
            )
        assert torch.equal(output.features[2], raw.features[2].float())
        assert torch.equal(output.features[0][1], raw.features[0][1].half().float())


@pytest.mark.parametrize("damage", ["short", "empty", "flipped", "foreign"])
def test_a_damaged_file_is_computed_again_and_replaced(damage, teacher, looks, tmp_path):
    image = views(1)
    with torch.no_grad():
        before = TeacherCache(tmp_path).infer(teacher, image, "fp32")
        (file,) = files(tmp_path)
        whole = file.read_bytes()
        middle = len(whole) // 2
        broken = {
            "short": whole[:-7],
            "empty": b"",
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "foreign": b"\x08\0\0\0\0\0\0\0{}      ",
        }
        file.write_bytes(broken[damage])
        after = TeacherCache(tmp_path).infer(teacher, image, "fp32")
    assert len(looks) == 2 and same(before, after)
    assert file.read_bytes() == whole and files(tmp_path) == [file]


def test_of_two_that_compute_the_same_view_the_first_counts_for_both(teacher, monkeypatch, tmp_path):
    """Else one of them would learn from numbers that its repetition does not find."""
    infer, meeting = DepthTeacher.infer, threading.Barrier(2)
    image, calls = views(1), []

    def apart(self, image, focal=None):
        output = infer(self, image, focal)
        calls.append(0)
        output.depth += len(calls)  # as kernels differ, only more
        meeting.wait(timeout=60)  # neither has stored anything yet
        return output

    monkeypatch.setattr(DepthTeacher, "infer", apart)
    given = {}

    def run(name):
        with torch.no_grad():
            given[name] = TeacherCache(tmp_path).infer(teacher, image, "fp32")

    threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 2 and same(given["a"], given["b"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == files(tmp_path)[:1]


def test_a_file_system_without_links_will_do(teacher, monkeypatch, looks, tmp_path):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("disdepth_cli.files.os.link", refuse)
    with torch.no_grad():
        outputs = [TeacherCache(tmp_path).infer(teacher, views(2), "fp32") for _ in range(2)]
    assert same(*outputs) and looks == [2]


def test_a_full_disk_is_one_line(teacher, monkeypatch, tmp_path):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with torch.no_grad(), pytest.raises(DisdepthError, match=r"the disk is full; nothing was lost, free .* run again"):
        TeacherCache(tmp_path).infer(teacher, views(1), "fp32")


def test_the_place_is_looked_at_before_the_run(tiny_teacher, rooms, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    options = {"data": rooms, "teacher": str(tiny_teacher), "output": tmp_path / "run", **tiny, **TWICE}
    with pytest.raises(DisdepthError, match=r"file/view: cannot be written"):
        acclimate(teacher_cache=tmp_path / "file", **options)


def test_a_teacher_that_learns_is_refused(tiny_teacher, rooms, tiny, tmp_path):
    options = {"data": rooms, "teacher": str(tiny_teacher), "output": tmp_path / "run", **tiny}
    with pytest.raises(ConfigError, match=r"--teacher-cache: .*--train-teacher last-1 .*leave one of them out$"):
        acclimate(teacher_cache=tmp_path / "cache", train_teacher="last-1", **options)
    assert not (tmp_path / "cache").exists() and not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def replayed(rooms, acclimated, tiny, tmp_path_factory):
    """A run of distill over an empty cache, with its report and the cache."""
    folder = tmp_path_factory.mktemp("replayed")
    options = {
        "data": rooms,
        "teacher": str(acclimated),
        "teacher_cache": folder / "cache",
        "seed": 3,
        **tiny,
        **TWICE,
        **BARE,
    }
    return folder, options, distill(output=folder / "first", **options)


@pytest.mark.slow
def test_a_repeated_run_replays_and_ends_with_the_same_bytes(replayed, looks, watcher):
    folder, options, report = replayed
    assert report["teacher_cache"] == {"folder": str(folder / "cache"), "views": 36, "replayed": 2}
    again = distill(output=folder / "second", observers=[watcher], **options)
    assert again["teacher_cache"]["replayed"] == again["teacher_cache"]["views"] == 36
    assert set(looks) <= {1}  # the cost of one image is measured; no batch of training was looked at
    assert f"teacher: 36 of 36 views replayed from {folder / 'cache'}" in watcher.notes
    assert any("MB a view" in note and "34 views" in note for note in watcher.notes)
    first, second = (folder / run / "student.safetensors" for run in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert json.loads((folder / "second" / "report.json").read_text())["teacher_cache"]["replayed"] == 36
    recipe = read_metadata(first).recipe
    assert recipe["teacher_cache"] is True and str(folder) not in json.dumps(recipe)


@pytest.mark.slow
def test_another_seed_meets_the_same_views(replayed, rooms):
    folder, options, _ = replayed
    other = distill(output=folder / "other", **options | {"seed": 4, "max_steps": 10, "output_weight": 0.5})
    assert other["teacher_cache"] == {"folder": str(folder / "cache"), "views": 40, "replayed": 40}
    weights = [load_file(folder / run / "student.safetensors") for run in ("first", "other")]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_a_later_run_without_the_cache_is_nearly_the_same(replayed):
    folder, options, report = replayed
    plain = distill(output=folder / "plain", **options | {"teacher_cache": None})
    assert plain["teacher_cache"] is None
    assert plain["best"]["rmse"] == pytest.approx(report["best"]["rmse"], rel=0.02)


@pytest.mark.slow
def test_acclimation_and_its_attention_see_the_same_views(tiny_teacher, rooms, tiny, looks, watcher, tmp_path):
    options = {"data": rooms, "teacher": str(tiny_teacher), "teacher_cache": tmp_path / "cache", **tiny, **TWICE}
    options["attention_steps"] = 4
    first = acclimate(output=tmp_path / "a", **options)
    assert first["teacher_cache"]["views"] == 4 * (9 + 4) and first["teacher_cache"]["replayed"] == 2 + 4 * 4
    assert len(files(tmp_path / "cache")) == 34
    in_training = [count for count in looks if count > 1]
    assert in_training == [4] * 8 + [2]
    looks.clear()
    second = acclimate(output=tmp_path / "b", observers=[watcher], **options)
    assert second["teacher_cache"]["replayed"] == 52 and set(looks) <= {1}
    assert any("kept in" in note and "34 views" in note for note in watcher.notes)
    one, other = (tmp_path / run / "acclimated.safetensors" for run in "ab")
    assert one.read_bytes() == other.read_bytes()
    learned = distill(
        output=tmp_path / "c", **options | {"teacher": str(tmp_path / "a"), "attention_steps": None} | BARE
    )
    assert learned["teacher_cache"]["replayed"] == 36


@pytest.mark.slow
def test_the_flipped_image_of_a_confidence_is_kept_too(rooms, photos, tiny_teacher, tiny, looks, tmp_path):
    cache = {"teacher_cache": tmp_path / "cache", "data": photos, **tiny, **TWICE}
    acclimate(output=tmp_path / "teacher", teacher=str(tiny_teacher), attention_steps=1, **cache)
    options = {**cache, "teacher": str(tmp_path / "teacher"), "pseudo_confidence": "flip", **BARE}
    first = distill(output=tmp_path / "a", **options)["teacher_cache"]
    assert first["views"] == 72 and first["replayed"] == 36  # acclimation met the images as they are
    looks.clear()
    assert distill(output=tmp_path / "b", **options)["teacher_cache"]["replayed"] == 72
    assert max(looks) == 1


def test_validation_never_asks_the_memory(acclimated, tmp_path):
    found, _ = load_acclimated(acclimated, "fp32")
    with_cache = found.with_cache(TeacherCache(tmp_path))
    assert found.cache is None and with_cache.teacher is found.teacher
    with torch.no_grad():
        found(views(1))
        assert files(tmp_path) == []
        with_cache(views(1))
    assert len(files(tmp_path)) == 1


def test_a_run_of_an_older_version_goes_on(tiny_teacher, rooms, tmp_path):
    """Its config.yaml knows nothing of options that came later, inside `augment` neither."""
    values = {"data": rooms, "teacher": str(tiny_teacher), "output": tmp_path / "run"}
    run = RunFolder.open(build_config(AcclimateConfig, values), "acclimate", "x")
    file = run.path / "config.yaml"
    lines = file.read_text().splitlines()
    kept = [
        line for line in lines if line.split(":")[0] not in ("  views", "  seed", "teacher_cache", "validate_every")
    ]
    assert len(kept) == len(lines) - 4
    file.write_text("\n".join(kept))
    RunFolder.open(build_config(AcclimateConfig, values | {"resume": True}), "acclimate", "x")
    with pytest.raises(ConfigError, match="--augment"):
        other = build_config(AcclimateConfig, values | {"resume": True, "augment": {"views": 2}})
        RunFolder.open(other, "acclimate", "x")


def test_a_control_has_no_teacher_to_replay(rooms, tiny, tmp_path):
    options = {"data": rooms, "distill": False, **tiny, **TWICE, "max_steps": 2}
    report = distill(output=tmp_path / "a", teacher_cache=tmp_path / "cache", **options)
    distill(output=tmp_path / "b", **options)
    assert report["teacher_cache"] is None and not (tmp_path / "cache").exists()
    one, other = (tmp_path / run / "student.safetensors" for run in "ab")
    assert one.read_bytes() == other.read_bytes()
