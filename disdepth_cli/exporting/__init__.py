"""A student for other runtimes: one file a format, one verification, int8."""
