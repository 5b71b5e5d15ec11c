"""The student of a distillation, which may start from another one."""

from __future__ import annotations

from disdepth_cli.config import option as o
from disdepth_cli.config.option import option
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.config.types import TrainedModel


class DistilledStudentOptions(StudentOptions):
    """The student that is trained, and a student that it starts from."""

    init: TrainedModel | None = option(
        None,
        "trained student to start from: file, run, OWNER/NAME on the Hub, or `bundled`. Its network is taken, and its "
        "working size unless --input-size is given. Without --teacher it learns from ground truth alone",
        level="basic",
        group=o.STUDENT,
        local=True,
    )
