"""What the verbs give back: typed fields, and the plain values that `--json` prints."""
