"""The verbs in Python: main arguments by position, every option by its name, a typed result."""
