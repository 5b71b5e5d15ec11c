"""Teachers of one's own: a network from anywhere, described in a few lines, or depth maps that another tool wrote."""
