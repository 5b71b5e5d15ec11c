"""What all options have in common."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class BaseConfig(BaseModel):
    """Options that are checked together; an unknown one is an error.

    RENAMED: old name to present name of options that may still be given by the old one.
    """

    RENAMED: ClassVar[dict[str, str]] = {}

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)


class HubConfig(BaseConfig):
    """What a student's page on the Hub says and who sees it."""

    private: bool = Field(False, description="a new repository is private; one that exists stays as it is")
    licence: str | None = Field(
        None, description="licence of the student, as apache-2.0; default: the teacher's if restrictive, else unknown"
    )
