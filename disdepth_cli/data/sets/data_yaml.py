"""data.yaml: what a user says about a data set."""

from __future__ import annotations

import reprlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from disdepth_cli.data.files.depth_coding import CARLA_SCALE, DepthCoding, DepthKind, Encoding
from disdepth_cli.data.sets.catalogue import HUB, get_format
from disdepth_cli.data.shards.address import checked
from disdepth_cli.errors import DataError, near_names
from disdepth_cli.reading import read_yaml


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class DataFile(BaseModel):
    """The keys of data.yaml. A `format` brings other defaults for those that say what depth means.

    depth_kind, depth_scale, invalid_value, encoding, focal: as `DepthCoding` has them; None: the format's.
    depth_scale may be `{train: NUMBER, val: NUMBER}`: the second becomes val_depth_scale.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    path: str = "."
    format: str | None = None
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    unlabeled: str | list[str] | None = None
    depth_kind: DepthKind | None = None
    depth_scale: float = Field(default=1000.0, gt=0)
    val_depth_scale: float | None = Field(default=None, gt=0)
    invalid_value: Annotated[list[float] | None, BeforeValidator(_as_list)] = None
    encoding: Encoding | None = None
    focal: float | None = Field(default=None, gt=0)
    min_depth: float = Field(default=1e-3, ge=0)
    max_depth: float = Field(default=10.0, gt=0)
    protocol: str | None = None
    columns: dict[str, str] | None = None

    @field_validator("train", "val", "unlabeled")
    @classmethod
    def _allowed(cls, entries: str | list[str] | None) -> str | list[str] | None:
        """Addresses that may be opened; `file://` ones as paths."""
        try:
            return [checked(entry) for entry in entries] if isinstance(entries, list) else entries and checked(entries)
        except DataError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _scale_of_each_split(cls, values: dict[str, Any]) -> dict[str, Any]:
        scale = values.get("depth_scale")
        if isinstance(scale, dict):
            if set(scale) != {"train", "val"}:
                raise ValueError("depth_scale: must be a number, or {train: NUMBER, val: NUMBER}")
            return values | {"depth_scale": scale["train"], "val_depth_scale": scale["val"]}
        if scale is None and values.get("encoding") == "carla":
            return values | {"depth_scale": CARLA_SCALE}
        return values

    @model_validator(mode="after")
    def _make_sense(self) -> DataFile:
        if self.min_depth >= self.max_depth:
            raise ValueError(f"min_depth {self.min_depth:g} must be below max_depth {self.max_depth:g}")
        if self.depth_kind == "disparity" and "depth_scale" not in self.model_fields_set:
            raise ValueError(
                "depth_kind: disparity needs depth_scale, the focal length [pixels] x the baseline [m] (x the factor "
                "that disparity is stored by): metres = depth_scale / stored. Disparity without a scale is no label: "
                "give the images as `unlabeled:`"
            )
        if self.depth_kind == "inverse" and "depth_scale" not in self.model_fields_set:
            raise ValueError("depth_kind: inverse needs depth_scale: metres = depth_scale / stored")
        if self.depth_kind == "along-ray" and self.focal is None and self._format_coding().focal_share is None:
            raise ValueError("depth_kind: along-ray needs focal, the focal length in pixels of the images")
        return self

    def _format_coding(self) -> DepthCoding:
        return DepthCoding() if self.format in (None, HUB) else get_format(str(self.format)).coding

    def coding(self) -> DepthCoding:
        """What stored depth means."""
        own = self._format_coding()
        return replace(
            own,
            scale=self.depth_scale,
            kind=self.depth_kind or own.kind,
            invalid=own.invalid if self.invalid_value is None else tuple(self.invalid_value),
            encoding=self.encoding,
            focal=self.focal,
        )


def read_description(file: Path) -> DataFile:
    """The keys of a data.yaml.

    Raises:
        DataError: it cannot be read, or a key or value is wrong.
    """
    values = read_yaml(file)
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
        got = f" (got {reprlib.repr(first['input'])})" if first["loc"] else ""
        raise DataError(f"{file}: {key}{first['msg'].removeprefix('Value error, ')}{got}") from None
