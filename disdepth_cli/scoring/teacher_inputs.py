"""What teachers need beside an image's pixels, and who reads it."""

from __future__ import annotations

from collections.abc import Sequence

from disdepth_cli.data.batches.origin import Origins, Reader, WholeImage
from disdepth_cli.teachers.teacher import DepthTeacher


def origins_of(teachers: Sequence[DepthTeacher], of_views: bool = False) -> Origins | None:
    """What reads it; None where no teacher asks for anything.

    of_views: the images are views that are cut from others; else they are whole, and need no other one.
    """
    readers: dict[str, Reader] = {}
    for contract in (teacher.contract for teacher in teachers):
        if contract.sees == "whole" and of_views:
            readers[contract.key] = WholeImage(contract.working_size)
    if readers or any(teacher.contract.needs_focal for teacher in teachers):
        return Origins(readers)
    return None
