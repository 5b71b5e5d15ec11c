"""A depth map with what its numbers mean, its files and its colours."""
