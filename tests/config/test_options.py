"""Options are said once: what other code asks of them is derived from their fields, and equals what it was."""

from __future__ import annotations

import pytest
import typer

from disdepth_cli import config as configs
from disdepth_cli.cli.app import app
from disdepth_cli.config import AcclimateConfig, BaseConfig, DistillConfig, PackConfig, PredictConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.config.types import PROTOCOL_NAMES
from disdepth_cli.errors import ConfigError
from disdepth_cli.evaluation.protocols import PROTOCOLS

OF_TEACHERS = set(
    [
        "teacher",
        "revision",
        "teacher_weights",
        "teacher_fusion",
        "output_weight",
        "output_target",
        "feature_weight",
        "feature_target",
        "feature_levels",
        "feature_projection",
        "attention",
        "init_decoder",
        "init_backbone",
        "pseudo_drop",
        "pseudo_confidence",
        "teacher_cache",
    ]
)
OF_COMPARISON = {"control", "keep", "sweep", "sweep_steps"}
FREE_IN_RUNS = set(
    [
        "data",
        "output",
        "resume",
        "offline",
        "device",
        "workers",
        "save_every",
        "dry_run",
        "max_corrupt",
        "push_to_hub",
        "private",
        "licence",
        "control",
        "keep",
        "budget",
        "track",
        "verbose",
    ]
)
FREE_IN_PACKING = {"output", "resume", "workers", "max_corrupt"}
NOT_IN_RECIPES = set(
    [
        "data",
        "init",
        "verbose",
        "output",
        "resume",
        "offline",
        "device",
        "workers",
        "teacher",
        "teacher_weights",
        "student_weights",
        "init",
        "verbose",
        "save_every",
        "dry_run",
        "push_to_hub",
        "private",
        "licence",
        "control",
        "keep",
        "sweep",
        "sweep_steps",
        "teacher_cache",
        "budget",
        "track",
    ]
)
OF_THE_RUN_ITSELF = {"teacher", "epochs", "output", "resume", "max_steps"}
FLAGS = {
    "acclimate": "--accumulate --anchor-weight --attention-steps --attention-tokens --batch-size --bins --clip "
    "--config "
    "--crop-size --data --decoder-channels --device --dry-run --ema --epochs --ghost --input-size --json --lg-conv "
    "--lr "
    "--max-corrupt --max-depth --max-steps --min-depth --no-pretrained --offline --output --own-loss --precision "
    "--pretrained --quiet --resume --revision --save-every --seed --student --student-weights --teacher "
    "--teacher-cache "
    "--teacher-loss --teacher-lr --teacher-weights --train-teacher --validate-every --view-seed --views --weight-decay "
    "--workers -o -q -s -t",
    "distill": "--accumulate --anchor-weight --attention --backbone-lr --batch-size --bins --clip --config --control "
    "--crop-size --data --decoder-channels --device --distill --dry-run --ema --epochs --feature-levels "
    "--feature-projection --feature-target --feature-weight --init-backbone --init-decoder --input-size --json --keep "
    "--lg-conv --licence --lr --max-corrupt --max-depth --max-steps --min-depth --no-control --no-distill "
    "--no-pretrained --no-sweep --offline --output --output-target --output-weight --precision --pretrained --private "
    "--pseudo-confidence --pseudo-drop --push-to-hub --quiet --resume --revision --save-every --seed --small-first "
    "--student --student-weights --sweep --sweep-steps --teacher --teacher-cache --teacher-fusion --teacher-weights "
    "--validate-every --view-seed --views --weight-decay --workers -o -q -s -t",
    "evaluate": "--align --baselines --config --data --device --json --max-depth --mean-map-images --min-depth "
    "--no-baselines --no-teacher --no-tta --offline --output --per-image --precision --protocol --quiet --revision "
    "--score-teacher --split --teacher --tta --workers --worst --worst-by -o -q -t",
    "predict": "--checkpoint --colormap --config --device --grayscale --json --offline --output --precision "
    "--pred-only "
    "--quiet --revision --save-numpy -c -o -q",
    "check": "--config --json --no-picture --output --picture --quiet --sample --workers -o -q",
    "pack": "--config --depth --depth-scale --json --max-corrupt --no-shuffle --output --quality --quiet --resume "
    "--seed "
    "--shard-count --shard-size --shuffle --size --workers -o -q",
    "push": "--config --control --data-name --dry-run --json --licence --offline --output --picture "
    "--picture-from-data --private --quiet --revision --to -o -q",
}
"""Every flag of version 0.1.0: scripts rely on them."""
MOST = {"predict": 13, "distill": 21, "acclimate": 16, "evaluate": 14}


def commands():
    return typer.main.get_command(app).commands


EVERY = [getattr(configs, name) for name in configs.__all__ if name.endswith("Config")]
CONFIGS = [kind for kind in EVERY if issubclass(kind, BaseConfig) and kind.verb() in commands()]


def flags(parameter):
    both = [*getattr(parameter, "opts", []), *getattr(parameter, "secondary_opts", [])]
    return [flag for flag in both if flag.startswith("-")]


def test_what_is_derived_of_the_options_is_what_it_was():
    assert DistillConfig.named(concerns="teacher") == OF_TEACHERS
    assert DistillConfig.named(concerns="comparison") == OF_COMPARISON
    assert DistillConfig.named(free=True) == FREE_IN_RUNS
    assert AcclimateConfig.named(free=True) == FREE_IN_RUNS & set(AcclimateConfig.options())
    assert PackConfig.named(free=True) == FREE_IN_PACKING
    shared = set(AcclimateConfig.options()) & set(DistillConfig.options())
    assert DistillConfig.named(inherited=True) & shared == shared - OF_THE_RUN_ITSELF
    for kind in (AcclimateConfig, DistillConfig):
        elsewhere = [kind.named(concerns=other) for other in ("machine", "hub", "comparison")]
        left_out = frozenset().union(*elsewhere, kind.named(local=True))
        assert left_out - {"ghost"} == NOT_IN_RECIPES & set(kind.options())  # ghost: a path had been published


@pytest.mark.parametrize("verb", FLAGS)
def test_every_flag_of_old_is_valid(verb):
    now = {flag for parameter in commands()[verb].params for flag in flags(parameter)}
    assert set(FLAGS[verb].split()) <= now


@pytest.mark.parametrize("verb", commands())
def test_help_shows_what_people_use_and_help_all_shows_all(verb, cli):
    parameters = [parameter for parameter in commands()[verb].params if flags(parameter)]
    shown = [parameter for parameter in parameters if not parameter.hidden]
    assert len(shown) <= MOST.get(verb, 10)
    kind = next(kind for kind in CONFIGS if kind.verb() == verb)
    everything = cli(verb, "--help-all").out.replace(",", " ")
    for parameter in commands()[verb].params:
        listed = parameter.name not in {*kind.renamed(), *kind.unused}
        assert not flags(parameter) or (flags(parameter)[0] in everything.split()) == listed, parameter.name


def test_the_help_of_distill_fits_two_screens(cli, monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: (100, 50))
    assert len(cli("distill", "--help").out.splitlines()) <= 100


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda kind: kind.verb())
def test_help_has_every_legal_value_and_each_flags_own_text(kind, cli):
    text = " ".join(cli(kind.verb(), "--help-all").out.replace("│", " ").split())
    for name, known in kind.options().items():
        if not known.option.flag or name in kind.unused or name == "augment":
            continue
        words = known.field.description.split()
        assert " ".join(words[:4]) in text, name
        for value in getattr(known.field.annotation, "__args__", ()):
            for one in getattr(value, "__args__", (value,)):  # of `Literal[...] | None`
                assert not isinstance(one, str) or one in text, (name, one)


def test_the_protocols_in_the_help_are_those_there_are():
    assert set(PROTOCOL_NAMES) == set(PROTOCOLS)


def test_parts_are_read_and_changed_by_flat_names():
    config = build_config(DistillConfig, {"data": "x", "lr": 0.5, "augment": {"flip": 0}, "teacher": "a"})
    assert (config.loop.lr, config.data.augment.flip, config.teacher.names) == (0.5, 0, ["a"])
    other = config.replaced(lr=0.25, teacher=None)
    assert (other.loop.lr, other.get("teacher"), config.loop.lr) == (0.25, None, 0.5)
    assert build_config(DistillConfig, config.flat()) == config


def test_the_paper_in_one_word():
    distill = build_config(DistillConfig, {"data": "x", "recipe": "paper"})
    assert (distill.student.lg_conv, distill.method.attention) == ("auto", "learned")
    acclimate = build_config(AcclimateConfig, {"data": "x", "teacher": "t", "recipe": "paper"})
    assert (acclimate.student.lg_conv, acclimate.method.attention_steps) == ("auto", 100)
    own = build_config(DistillConfig, {"data": "x", "recipe": "paper", "lg_conv": "none"})
    assert own.student.lg_conv == "none"  # what is given wins


def test_recipes_from_files_and_single_settings(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("output_weight: 0.3\naugment: {flip: 0}\n")
    sets = ["augment.scale=1.5", "max-nonfinite=2"]
    config = build_config(DistillConfig, {"data": "x", "recipe": str(file)}, sets=sets)
    assert (config.method.output_weight, config.loop.max_nonfinite) == (0.3, 2)
    assert (config.data.augment.flip, config.data.augment.scale) == (0, 1.5)


@pytest.mark.parametrize(
    ("options", "sets", "words"),
    [
        ({"recipe": "papr"}, [], ("--recipe papr", "did you mean paper", "YAML file")),
        ({"recipe": "gone.yaml"}, [], ("--recipe gone.yaml", "cannot be read")),
        ({}, ["lr"], ("--set lr", "NAME=VALUE")),
        ({}, ["lrr=1"], ("--set lrr=1", "unknown option 'lrr'", "did you mean lr")),
        ({}, ["lr=[1"], ("--set lr=[1", "not a YAML value")),
        ({}, ["augment.gamma=0.8,1.2"], ("--augment.gamma", "as a list, such as [0.9, 1.1]")),
        ({}, ["augment.flp=1"], ("unknown option 'augment.flp'", "did you mean flip")),
        ({}, ["lr=-1"], ("--lr", "greater than 0")),
    ],
)
def test_wrong_recipes_and_settings_are_told(options, sets, words):
    with pytest.raises(ConfigError) as error:
        build_config(DistillConfig, {"data": "x", **options}, sets=sets)
    for word in words:
        assert word in str(error.value)


def test_a_renamed_flag_works_and_says_the_new_one_once(cli, tmp_path):
    outcome = cli("predict", tmp_path / "no.png", "--checkpoint", "bundled")
    notes = [line for line in outcome.err.splitlines() if "--checkpoint is called --model now" in line]
    assert len(notes) == 1 and outcome.code == 1 and "no.png" in outcome.err
    assert build_config(PredictConfig, {"sources": ["x"], "checkpoint": "y"}).model == "y"


def test_both_spellings_of_licence(cli, tmp_path):
    for flag in ("--licence", "--license"):
        outcome = cli("push", tmp_path, "--to", "a/b", "--dry-run", flag, "mit")
        assert outcome.code == 1 and "holds no student.safetensors" in outcome.err
