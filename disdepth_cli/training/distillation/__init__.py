"""The training of a student: its teachers found, its start, the run, what came through."""
