"""The one optimisation loop: what it is given, how it is logged, saved and resumed."""
