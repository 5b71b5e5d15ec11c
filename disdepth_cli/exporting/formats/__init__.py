"""One file a format: how it is written, how its runtime is called, and the line of run.py that does it."""
