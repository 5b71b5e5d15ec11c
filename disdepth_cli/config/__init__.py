"""Every option of every command, said once: default, help, level, what it concerns. Flags and help are read from here.

Standard library and pydantic only: this room is imported before anything is printed.
"""

from disdepth_cli.config.base import BaseConfig, Part
from disdepth_cli.config.data_commands import CheckConfig, DemoConfig, PackConfig
from disdepth_cli.config.model_commands import (
    CompareConfig,
    ConvertTeacherConfig,
    EvaluateConfig,
    PredictConfig,
    PushConfig,
)
from disdepth_cli.config.parts import STUDENTS, AugmentConfig
from disdepth_cli.config.training import AcclimateConfig, DistillConfig, TrainingConfig

__all__ = [
    "STUDENTS",
    "AcclimateConfig",
    "AugmentConfig",
    "BaseConfig",
    "CheckConfig",
    "CompareConfig",
    "ConvertTeacherConfig",
    "DemoConfig",
    "DistillConfig",
    "EvaluateConfig",
    "PackConfig",
    "Part",
    "PredictConfig",
    "PushConfig",
    "TrainingConfig",
]
