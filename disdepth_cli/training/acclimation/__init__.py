"""The training of an acclimation: teacher opened and checked, ghost decoder, attention tokens, report."""
