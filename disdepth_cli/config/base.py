"""What all options have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from disdepth_cli.config.types import expanded


class BaseConfig(BaseModel):
    """Options that are checked together; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _home(cls, value: Any) -> Any:
        """`~` in every path is a home."""
        if isinstance(value, list):
            return [expanded(one) if isinstance(one, Path) else one for one in value]
        return expanded(value) if isinstance(value, Path) else value


class HubConfig(BaseConfig):
    """What a student's page on the Hub says and who sees it."""

    private: bool = Field(False, description="a new repository is private; one that exists stays as it is")
    licence: str | None = Field(
        None, description="licence of the student, as apache-2.0; default: the teacher's if restrictive, else unknown"
    )
