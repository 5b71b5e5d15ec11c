"""Names of files, folders, students, teachers and models that cannot be right: told before PyTorch is imported.

What only the network knows, as a repository on the Hub, is left to the engine.
"""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from disdepth_cli.config import STUDENTS, BaseConfig, DistillConfig, TrainingConfig
from disdepth_cli.config.student_name import may_be_timm, timm_models
from disdepth_cli.config.teacher_name import WELL_KNOWN, file_and_function, is_own, none_acclimated, teacher_hint
from disdepth_cli.errors import NEAR, CheckpointError, ConfigError, DataError, DisdepthError, StudentError, TeacherError
from disdepth_cli.errors import near_names as near

FILES = ("student_weights", "teacher_weights", "ghost", "control", "file", "intrinsics")
"""Options that name something of this machine and nothing else."""
MODEL_FILES = (
    ".safetensors",
    ".onnx",
    ".pt2",
    ".tflite",
    ".mlpackage",
    ".mnn",
    ".xml",
    ".param",
    ".bin",
    ".pth",
    ".pt",
)
MODEL_ADVICE = "give `bundled`, a student.safetensors, the run folder that holds one, an exported file, or a teacher"
TEACHER_ADVICE = "a teacher is an acclimated run, a folder in Hub format, a Hub id, timm:NAME or FILE.py:FUNCTION"
DATA_ADVICE = "give a data.yaml, a folder with rgb/ (or images/) and depth/, a folder of images, or shards"
LOOKED_AT = 2000  # entries of a folder that a name is compared with
RUN_FILE, ACCLIMATED = "config.yaml", "acclimated.safetensors"


def refuse_missing(config: BaseConfig) -> None:
    """Look for what a configuration names.

    Raises:
        DataError: the data, or an image to predict, does not exist.
        StudentError: timm has no such model.
        TeacherError, CheckpointError: the name can be no teacher, or no model.
        ConfigError: another file does not exist.
    """
    for name in _named(config, "student", "students"):
        _check_student(name, "--student" if "student" in type(config).options() else "--students")
    resumed = "resume" in type(config).options() and config.get("resume")
    if not resumed:  # else its engine says what has become of its data and its teacher
        _check_data_and_teacher(config)
    for name in _named(config, "sources"):
        if not _is_elsewhere(name) and not _exists(name):
            raise DataError(f"{name}: no such image, video, folder or pattern{near_paths(name)}")
    models = _named(config, "model", "models")
    if config.verb() != "push" and len(models) == 1:  # push says what it takes; of several, benchmark times the others
        _check_model(models[0], CheckpointError)
    for option in FILES:
        for name in _named(config, option):
            if not _exists(name):
                raise ConfigError(f"--{option.replace('_', '-')} {name}: does not exist{near_paths(name)}")


def near_paths(name: str) -> str:
    """`"; did you mean a/b or a/c?"` for what lies in a path's folder under a near name, or an empty string."""
    path = Path(name).expanduser()
    try:
        there = [entry.name for entry in islice(path.parent.iterdir(), LOOKED_AT)]
    except OSError:
        return ""
    close = get_close_matches(path.name, there, n=3, cutoff=NEAR)
    return f"; did you mean {' or '.join(str(Path(name).parent / one) for one in close)}?" if close else ""


def _named(config: BaseConfig, *options: str) -> list[str]:
    """The names and paths that a configuration has for these options, as texts."""
    known = type(config).options()
    values = [config.get(option) for option in options if option in known]
    lists = [value if isinstance(value, list) else [value] for value in values]
    return [str(one) for several in lists for one in several if isinstance(one, str | Path)]


def _check_data_and_teacher(config: BaseConfig) -> None:
    for name in _named(config, "data", "calibration"):
        if not _is_elsewhere(name) and not _exists(name):
            raise DataError(f"{name}: does not exist{near_paths(name) or f'; {DATA_ADVICE}'}")
    if isinstance(config, TrainingConfig):  # evaluate and benchmark go on without one
        for name in _named(config, "teacher"):
            _check_model(name, TeacherError)
    for name in _named(config, "init"):
        _check_model(name, CheckpointError)
    _check_acclimated(config)


def _check_student(name: str, flag: str) -> None:
    if name not in STUDENTS and not may_be_timm(name):
        raise StudentError(f"{flag} {name}: not a timm model{near(name, [*STUDENTS, *timm_models()])}")


def _check_model(name: str, error: type[DisdepthError]) -> None:
    """Refuse a name that can be no model: nothing of that name is here, and it is no name on the Hub.

    error: `TeacherError` where it must be a teacher; else students are models too.
    """
    own = file_and_function(name)
    if own is not None and not own[0].is_file():
        raise error(f"{own[0]}: no such file{near_paths(str(own[0]))}")
    if own is not None or name == "bundled" or is_own(name) or _exists(name):
        return
    if name.startswith("timm:"):
        _check_timm(name, error)
        return
    path = Path(name)
    if path.suffix in MODEL_FILES:
        what = "checkpoint" if path.suffix == ".safetensors" else "file"
        raise error(f"{name}: no such {what}{near_paths(name) or _advice(error)}")
    if name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1:
        raise error(f"{name}: no such folder{near_paths(name) or _advice(error)}")
    if "/" not in name:
        local = near_paths(name) or (near(name, ["bundled"]) if error is CheckpointError else "")
        hint = teacher_hint(name) or local or _timm_hint(name) or _advice(error)
        raise error(f"{name or '(empty)'}: is no file, folder, Hub id (OWNER/NAME) or timm:NAME{hint}")
    if name not in WELL_KNOWN and path.parent.is_dir() and (path.parent.name == "runs" or _beside_runs(path)):
        raise error(f"{name}: no such run{near_paths(name) or _advice(error)}")


def _check_acclimated(config: BaseConfig) -> None:
    """Refuse a distillation that names no teacher where no acclimated run lies under runs/."""
    if not isinstance(config, DistillConfig) or config.student.init or config.teacher.names:
        return
    if config.method.distill and not any(Path("runs").glob(f"*/{ACCLIMATED}")):
        raise ConfigError(none_acclimated(config.student.backbone, config.data.location))


def _check_timm(name: str, error: type[DisdepthError]) -> None:
    bare = name.removeprefix("timm:")
    if not may_be_timm(bare):
        raise error(f"{name}: timm has no such model{near(bare, timm_models())}")


def _timm_hint(name: str) -> str:
    return f"; did you mean timm:{name}?" if name in timm_models() else ""


def _advice(error: type[DisdepthError]) -> str:
    return f"; {TEACHER_ADVICE if error is TeacherError else MODEL_ADVICE}"


def _beside_runs(path: Path) -> bool:
    """Whether a run of a near name lies in the path's folder: then OWNER/NAME is a path with a slip of the finger."""
    runs = [run.name for run in islice(path.parent.iterdir(), LOOKED_AT) if (run / RUN_FILE).is_file()]
    return bool(get_close_matches(path.name, runs, cutoff=NEAR))


def _exists(name: str) -> bool:
    return Path(name).expanduser().exists()


def _is_elsewhere(name: str) -> bool:
    """Whether a name may be an address, a pattern or standard input, so that no file of that name is needed."""
    return name == "-" or "://" in name or any(letter in name for letter in "*?[{")
