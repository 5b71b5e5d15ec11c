"""What is written for people and other programs: depth files, pictures, curves."""
