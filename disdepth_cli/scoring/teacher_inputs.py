"""What teachers need beside an image's pixels, and who reads it."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.data.batches.origin import Origins, Reader, WholeImage
from disdepth_cli.data.batches.stored_maps import StoredMaps
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import BlockItems, first_without_focal
from disdepth_cli.errors import DataError
from disdepth_cli.teachers.teacher import FOCAL_IS_MISSING, DepthTeacher


def origins_of(teachers: Sequence[DepthTeacher], own_size: bool = False) -> Origins | None:
    """What reads it; None where no teacher asks for anything.

    own_size: the images are whole and of the teacher's own size; it needs no other look at them.
    """
    readers: dict[str, Reader] = {}
    for contract in (teacher.contract for teacher in teachers):
        if contract.sees == "whole" and not own_size:
            readers[contract.key] = WholeImage(contract.working_size)
        if contract.stored is not None:
            readers[contract.key] = StoredMaps.of(
                contract.stored.folder, contract.stored.scale, contract.stored.invalid
            )
    if readers or any(teacher.contract.needs_focal for teacher in teachers):
        return Origins(readers)
    return None


def origins_of_views(teachers: Sequence[DepthTeacher], source: DataSource) -> Origins | None:
    """What makes the origins of training views for these teachers; None where no teacher needs any.

    Raises:
        DataError: one needs the focal length, or stored depth, of a training image that has none.
    """
    for teacher in teachers:
        if teacher.contract.needs_focal and source.coding.focal is None:
            lacks = first_without_focal(source.train)
            if lacks is not None:
                raise DataError(f"{source.key(lacks)}: {teacher.contract.id} {FOCAL_IS_MISSING}")
    origins = origins_of(teachers)
    if origins is not None:
        _check_stored(origins, teachers, source)
    return origins


def _check_stored(origins: Origins, teachers: Sequence[DepthTeacher], source: DataSource) -> None:
    """Every training image has depth stored of it, by those teachers that have nothing else.

    Raises:
        DataError: some have none.
    """
    for contract in (teacher.contract for teacher in teachers):
        reader = origins.readers.get(contract.key)
        if isinstance(reader, StoredMaps) and not isinstance(source.train, BlockItems):
            lacks = reader.missing(source.train)
            if lacks:
                raise DataError(
                    f"{contract.id}: {len(lacks)} of {len(source.train)} training images have no stored depth of their "
                    f"name, the first: {source.key(lacks[0])}; store it in {reader.folder}, or leave those images out"
                )
