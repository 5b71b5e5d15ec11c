"""data.yaml: what a user says about a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from disdepth_cli.data.sets.catalogue import HUB, get_format
from disdepth_cli.errors import DataError, near_names


class DataFile(BaseModel):
    """The keys of data.yaml. A `format` brings other defaults for those that say what depth means."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    path: str = "."
    format: str | None = None
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    unlabeled: str | list[str] | None = None
    depth_scale: float = Field(default=1000.0, gt=0)
    min_depth: float = Field(default=1e-3, ge=0)
    max_depth: float = Field(default=10.0, gt=0)
    protocol: str | None = None
    focal: float | None = Field(default=None, gt=0)
    columns: dict[str, str] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> DataFile:
        if self.min_depth >= self.max_depth:
            raise ValueError(f"min_depth {self.min_depth:g} must be below max_depth {self.max_depth:g}")
        return self


def read_description(file: Path) -> DataFile:
    """The keys of a data.yaml.

    Raises:
        DataError: it cannot be read, or a key or value is wrong.
    """
    try:
        values: Any = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: is not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise DataError(f"{file}: must be a mapping with keys such as {', '.join(DataFile.model_fields)}")
    for key in values:
        if key not in DataFile.model_fields:
            raise DataError(
                f"{file}: unknown key {str(key)!r}{near_names(str(key), DataFile.model_fields)}"
                f" (known: {', '.join(DataFile.model_fields)})"
            )
    named = values.get("format")
    if isinstance(named, str) and named != HUB:
        try:
            values = get_format(named).defaults | values
        except DataError as error:
            raise DataError(f"{file}: {error}") from None
    try:
        return DataFile.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = f"{first['loc'][0]}: " if first["loc"] else ""
        got = f" (got {first['input']!r})" if first["loc"] else ""
        raise DataError(f"{file}: {key}{first['msg'].removeprefix('Value error, ')}{got}") from None
