"""Loads whose work is known: what the study of the meters measures, and other tools around it."""
