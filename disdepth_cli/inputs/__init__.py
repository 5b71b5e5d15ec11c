"""The images that predict is given: files, folders, patterns, addresses and standard input."""
