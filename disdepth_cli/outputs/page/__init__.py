"""The page of a run or an evaluation: one HTML file that needs nothing else."""
