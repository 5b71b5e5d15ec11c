"""Every option of every command, in one place: default, help, level and concern. Flags and help are made from these.

Imports the standard library and pydantic only, since every command imports this room before it prints.
"""

from disdepth_cli.config.base import BaseConfig, Part
from disdepth_cli.config.data_commands import CheckConfig, DemoConfig, PackConfig
from disdepth_cli.config.export_commands import BenchmarkConfig, ExportConfig
from disdepth_cli.config.model_commands import (
    CompareConfig,
    ConvertTeacherConfig,
    EvaluateConfig,
    ListConfig,
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
    "BenchmarkConfig",
    "CheckConfig",
    "CompareConfig",
    "ConvertTeacherConfig",
    "DemoConfig",
    "DistillConfig",
    "EvaluateConfig",
    "ExportConfig",
    "ListConfig",
    "PackConfig",
    "Part",
    "PredictConfig",
    "PushConfig",
    "TrainingConfig",
]
