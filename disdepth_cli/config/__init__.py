"""Every option of every verb, with its default and its reason. The command line's help is read from here.

Standard library and pydantic only: this room is imported before anything is printed.
"""

from disdepth_cli.config.base import BaseConfig, HubConfig
from disdepth_cli.config.data_commands import CheckConfig, PackConfig
from disdepth_cli.config.model_commands import BenchmarkConfig, EvaluateConfig, ExportConfig, PredictConfig, PushConfig
from disdepth_cli.config.training import (
    STUDENTS,
    AcclimateConfig,
    AugmentConfig,
    DistillConfig,
    LoopConfig,
    PseudoLabelConfig,
    RelativeConfig,
    RunPlace,
    StudentConfig,
    TeacherConfig,
)

__all__ = [
    "STUDENTS",
    "AcclimateConfig",
    "AugmentConfig",
    "BaseConfig",
    "BenchmarkConfig",
    "CheckConfig",
    "DistillConfig",
    "EvaluateConfig",
    "ExportConfig",
    "HubConfig",
    "LoopConfig",
    "PackConfig",
    "PredictConfig",
    "PseudoLabelConfig",
    "PushConfig",
    "RelativeConfig",
    "RunPlace",
    "StudentConfig",
    "TeacherConfig",
]
