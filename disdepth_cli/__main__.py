"""`disdepth` and `python -m disdepth_cli`."""

from __future__ import annotations

import os
import sys

from disdepth_cli.errors import one_line
from disdepth_cli.machine.failures import of_machine
from disdepth_cli.machine.resources import too_few_files
from disdepth_cli.machine.signals import leave_at_once


def main() -> None:
    """Run the command line; what goes wrong before it can speak for itself is one line too."""
    leave_at_once()
    problem = too_few_files()
    try:
        if problem is None:
            from disdepth_cli.cli.app import main as run
    except Exception as error:  # a broken installation: any library's own error
        if os.environ.get("DISDEPTH_DEBUG") == "1":
            raise
        problem = of_machine(error) or f"disdepth cannot be loaded ({type(error).__name__}: {one_line(error, 300)})"
    if problem is not None:
        print(f"error: {' '.join(problem.split())[:600]}", file=sys.stderr)
        sys.exit(1)
    run()


if __name__ == "__main__":
    main()
