"""Help comes at once, and says what config.py says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import disdepth_cli
from disdepth_cli import config

HEAVY = ("torch", "timm", "cv2", "transformers", "accelerate", "matplotlib", "huggingface_hub", "numpy")
VERBS = {
    "acclimate": config.AcclimateConfig,
    "benchmark": config.BenchmarkConfig,
    "distill": config.DistillConfig,
    "evaluate": config.EvaluateConfig,
    "export": config.ExportConfig,
    "pack": config.PackConfig,
    "predict": config.PredictConfig,
    "push": config.PushConfig,
}
PROBE = """
import sys
from disdepth_cli.cli.app import main
sys.argv = ["disdepth", *sys.argv[1:]]
try:
    main()
except SystemExit as stopped:
    code = stopped.code
print("LOADED", code or 0, *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_help_loads_nothing_heavy(verb):
    args = [verb] if verb else []
    result = subprocess.run([sys.executable, "-c", PROBE, *args, "--help"], capture_output=True, text=True, check=False)
    label, code, *loaded = result.stderr.split()
    assert (label, code) == ("LOADED", "0"), result.stderr
    assert "disdepth_cli" in loaded and not set(loaded) & set(HEAVY)
    for name in [verb] if verb else VERBS:
        assert name in result.stdout


def test_python_m_prints_the_version(run_disdepth):
    result = run_disdepth("--version")
    assert result.returncode == 0 and result.stdout == f"disdepth {disdepth_cli.__version__}\n"


def test_without_arguments_the_help_is_shown(cli):
    outcome = cli()
    assert outcome.code == 2 and "acclimate" in outcome.out + outcome.err


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_shows_the_default_of_its_config_field(verb, cli):
    fields = VERBS[verb].options()
    printed = re.sub(r"│ +\*? *(?=--)", "\0", cli(verb, "--help-all").out)  # where the row of a flag begins
    shown = [" ".join(row.replace("│", " ").replace(",", " ").split()) for row in printed.split("\0")]
    rows = {name: row for name, known in fields.items() for row in shown if row.startswith(f"{known.flag} ")}
    assert len(rows) > len(fields) / 2
    for name, row in rows.items():
        default = fields[name].default
        if not (fields[name].field.is_required() or default in (None, []) or isinstance(default, bool)):
            text = "x".join(map(str, default)) if name in ("input_size", "source") else str(default)
            assert f"[default: {text}]" in row, name


def test_options_come_after_the_subcommand(cli, rooms):
    before = cli("--device", "cpu", "evaluate", "bundled", "--data", rooms)
    assert before.code == 2 and "--device" in before.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("evalute", "x"), ("EVALUTE", "EVALUATE")),
        (("evaluate", "x", "--dta", "y"), ("--DTA", "--DATA")),
        (("evaluate",), ("MODEL",)),
        (("predict",), ("SOURCES",)),
        (("distill", "--epochs", "many"), ("--EPOCHS",)),
    ],
)
def test_wrong_usage_exits_2(args, words, cli):
    outcome = cli(*args)
    assert outcome.code == 2 and outcome.out == ""
    for word in words:
        assert word in outcome.err.replace("{", "").upper()
    assert "Traceback" not in outcome.err


def test_a_missing_required_option_is_named_with_what_it_wants(refused):
    refused(2, ("--data: is missing", "data.yaml"), "distill", "--quiet")
    refused(2, ("--teacher: is missing", "Hub id"), "acclimate", "--data", "rooms")


@pytest.mark.parametrize("words", [("--workers", "auto"), ("--budget", "20ms")])
def test_numbers_that_may_be_words(words, cli, tmp_path):
    outcome = cli("distill", *words, "--data", tmp_path / "none", "--no-distill")
    assert outcome.code == 1 and "does not exist" in outcome.err


def test_benchmark_needs_no_data(refused):
    refused(2, ("name models, or --students",), "benchmark")
