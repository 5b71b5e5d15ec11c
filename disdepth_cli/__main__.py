"""`disdepth` and `python -m disdepth_cli`."""

from disdepth_cli.cli.app import main

if __name__ == "__main__":
    main()
