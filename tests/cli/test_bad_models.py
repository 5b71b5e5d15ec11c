"""Students, teachers and checkpoints that cannot be had: one line that says what, where and what to do."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socketserver
import threading

import pytest
import safetensors.torch
import torch

from disdepth_cli.checkpoint.metadata import HEADER_KEY


@pytest.fixture
def training(rooms, short, tmp_path):
    """Options of a control run without a student's name."""
    return ("distill", "--no-distill", "--data", rooms, "-o", tmp_path / "run", *short)


@pytest.fixture
def scoring(rooms):
    """Options of evaluate."""
    return ("--data", rooms, "--device", "cpu", "--workers", "0")


@pytest.fixture
def teacher(tiny_teacher, tmp_path):
    """A copy of the teacher that a test may spoil."""
    return shutil.copytree(tiny_teacher, tmp_path / "teacher")


def header_of(file):
    with safetensors.safe_open(file, "pt") as handle:
        return handle.metadata()


class TestStudent:
    def test_unknown_name(self, refused, training):
        line = refused(1, ("--student mobilenetv9", "not a timm model", "did you mean"), *training, "-s", "mobilenetv9")
        assert "mobilenetv2" in line or "mobilenetv3" in line

    def test_not_a_cnn_of_four_strides(self, refused, training):
        refused(1, ("--student vit_tiny", "CNN", "mobilenetv2"), *training, "-s", "vit_tiny_patch16_224")

    def test_weights_that_are_missing_damaged_or_of_another_model(self, refused, training, student, tmp_path):
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(student.read_bytes()[:1000])
        given = (*training, "--student-weights")
        refused(2, (tmp_path / "no.safetensors", "does not exist"), *given, tmp_path / "no.safetensors")
        refused(1, (broken, "not a whole safetensors file"), *given, broken)
        refused(1, (student, "not the weights of mobilenetv2_100"), *given, student)

    def test_without_the_network_both_ways_out_are_named_and_nobody_is_asked(
        self, rooms, short, run_disdepth, tmp_path
    ):
        """--offline alone must do: a listener in the Hub's place hears nothing."""
        visitors = []
        with socketserver.TCPServer(("127.0.0.1", 0), lambda *visit: visitors.append(visit)) as hub:
            threading.Thread(target=hub.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{hub.server_address[1]}"
            env = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache")}
            command = ("distill", "--no-distill", "--data", rooms, "-o", tmp_path / "run", *short[:-1])
            result = run_disdepth(*command, "--pretrained", env=env)
            hub.shutdown()
        assert visitors == []
        assert result.returncode == 1 and "Traceback" not in result.stderr
        line = result.stderr.splitlines()[-1]
        for word in ("error: --student mobilenetv2_100", "--student-weights FILE.safetensors", "--no-pretrained"):
            assert word in line
        assert result.stderr.count("error:") == 1


class TestTeacher:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("depth-anything-v2-smal-hf", ("did you mean", "depth-anything/Depth-Anything-V2-Small-hf")),
            ("no/folder/here", ("no such folder",)),
            ("someone/some-depth-model", ("not in the local cache", "--offline", "local folder")),
            ("timm:vit_smal_patch14_dinov2", ("timm has no such model", "did you mean", "vit_small_patch14_dinov2")),
            ("timm:vit_tiny_patch16_224", ("cache", "--teacher-weights FILE.safetensors")),
        ],
    )
    def test_unknown_or_unreachable(self, name, words, refused, rooms, short, tmp_path):
        command = ("acclimate", "--teacher", name, "--data", rooms, "-o", tmp_path / "run", *short[:-1])
        refused(1, (name, *words), *command)
        assert not (tmp_path / "run").exists()

    def test_a_folder_that_is_no_model(self, refused, scoring, teacher):
        (teacher / "config.json").rename(teacher / "config.bak")
        refused(1, (teacher, "no config.json", "Hub format"), "evaluate", teacher, *scoring)
        (teacher / "config.bak").rename(teacher / "config.json")
        weights = teacher / "model.safetensors"
        content = weights.read_bytes()
        weights.unlink()
        refused(1, ("has no model.safetensors",), "evaluate", teacher, *scoring)
        (teacher / "pytorch_model.bin").write_bytes(pickle.dumps({}))
        refused(1, ("pytorch_model.bin", "never loaded"), "evaluate", teacher, *scoring)
        weights.write_bytes(content[: len(content) // 2])
        refused(1, ("model.safetensors is truncated", "fetch it anew"), "evaluate", teacher, *scoring)
        weights.write_bytes(content)
        (teacher / "config.json").write_text("{")
        refused(1, ("config.json",), "evaluate", teacher, *scoring)

    def test_an_encoder_has_no_depth_to_evaluate(self, refused, scoring, monkeypatch):
        from disdepth_cli.scoring import open_model
        from disdepth_cli.teachers import load_teacher

        def random_weights(name, **options):
            return load_teacher(name, pretrained=False, **options)

        monkeypatch.setattr(open_model, "load_teacher", random_weights)
        name = "timm:vit_tiny_patch16_224"
        refused(1, (name, "without depth of its own", "acclimate it"), "evaluate", name, *scoring)

    def test_an_acclimated_run_whose_teacher_changed(self, refused, scoring, acclimated, teacher, tmp_path):
        run = shutil.copytree(acclimated, tmp_path / "acclimated")
        config = (run / "config.yaml").read_text()
        weights = safetensors.torch.load_file(teacher / "model.safetensors")
        weights[min(weights)] += 1
        safetensors.torch.save_file(weights, teacher / "model.safetensors", {"format": "pt"})
        lines = [f"teacher: {teacher}" if line.startswith("teacher:") else line for line in config.splitlines()]
        (run / "config.yaml").write_text("\n".join(lines))
        refused(1, (run, "now has weights", "acclimate again"), "evaluate", run, *scoring)
        (run / "config.yaml").unlink()
        refused(2, (run, "no config.yaml"), "evaluate", run, *scoring)

    def test_revisions_and_weights_where_there_are_none(self, refused, scoring, tiny_teacher, rooms, student):
        refused(1, ("no revisions", "--revision"), "evaluate", tiny_teacher, *scoring, "--revision", "main")
        given = ("--teacher", tiny_teacher, "--dry-run", "--teacher-weights", student)
        refused(1, ("--teacher-weights", "timm:NAME"), "acclimate", *given)


class TestCheckpoint:
    @pytest.fixture
    def refused_file(self, refused, scoring, photo, tmp_path):
        """The file is refused by evaluate and by predict, with the same words."""

        def check(file, *words):
            refused(1, (file, *words), "evaluate", file, *scoring)
            refused(1, (file, *words), "predict", photo, "-c", file, "-o", tmp_path / "out", "--device", "cpu")
            assert not (tmp_path / "out").exists()

        return check

    def test_missing(self, refused_file, tmp_path):
        refused_file(tmp_path / "no.safetensors", "no such checkpoint")

    @pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
    def test_truncated(self, share, refused_file, student, tmp_path):
        file = tmp_path / "cut.safetensors"
        content = student.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])
        refused_file(file, "not a whole safetensors file", "copy it again")

    def test_foreign_newer_or_damaged_header(self, refused_file, student, tmp_path):
        file = tmp_path / "other.safetensors"
        tensors = safetensors.torch.load_file(student)
        safetensors.torch.save_file(tensors, file)
        refused_file(file, "not written by disdepth")
        described = json.loads(header_of(student)[HEADER_KEY])
        del described["digest"]  # as an older version wrote it
        for change, words in (
            ({"format_version": 99}, ("format 99", "upgrade")),
            ({"bins": "many"}, ("header is damaged",)),
            ({"kind": "acclimated"}, ("acclimated", "student.safetensors")),
            ({"backbone": "resnet18"}, ("weights do not fit resnet18",)),
        ):
            safetensors.torch.save_file(tensors, file, {HEADER_KEY: json.dumps(described | change)})
            refused_file(file, *words)
        for header in ("{", "[]"):
            safetensors.torch.save_file(tensors, file, {HEADER_KEY: header})
            refused_file(file, "header is damaged")

    @pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
    def test_a_pickle_is_not_loaded(self, suffix, refused_file, tmp_path):
        file, trace = tmp_path / f"model{suffix}", tmp_path / "trace"
        torch.save(Bomb(str(trace)), file)
        refused_file(file, "not a whole safetensors file")
        file.write_bytes(pickle.dumps(Bomb(str(trace))))
        refused_file(file, "not a whole safetensors file")
        assert not trace.exists()
        pickle.loads(file.read_bytes())
        assert trace.exists()  # it would have

    def test_a_run_without_a_finished_model(self, refused, scoring, control, tmp_path):
        shutil.copy(control / "config.yaml", tmp_path)
        refused(1, (tmp_path, "without a finished model", "--resume"), "evaluate", tmp_path, *scoring)


class Bomb:
    """A pickle of this makes a folder when it is loaded."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


class TestHardware:
    def test_a_device_that_is_not_here(self, refused, student, scoring, training, photo, tmp_path):
        model = ("evaluate", student, "--data", scoring[1])
        refused(2, ("--device cuda:97", "no such device", "--device auto"), *model, "--device", "cuda:97")
        refused(2, ("--device gpu", "auto, cpu, cuda"), *model, "--device", "gpu")
        if not torch.cuda.is_available():
            refused(2, ("--device cuda", "no such device"), *training, "--device", "cuda")
            refused(2, ("--device cuda",), "predict", photo, "-c", student, "-o", tmp_path, "--device", "cuda")

    def test_half_precision_on_a_cpu(self, refused, student, scoring, training, acclimated):
        half = ("--precision", "fp16")
        refused(2, ("--precision fp16", "needs CUDA", "bf16 or fp32"), *training, *half)
        refused(2, ("--precision fp16", "needs CUDA"), "evaluate", student, *scoring, *half)
        refused(2, ("--precision fp16", "needs CUDA"), "evaluate", acclimated, *scoring, *half)
