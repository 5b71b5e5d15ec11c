"""How a depth map is scored: protocols, alignment, metrics. NumPy in float64, no torch."""
