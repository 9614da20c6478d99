"""How far a figure is to be trusted: flags, checks, drift."""
