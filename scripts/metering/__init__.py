"""Meters, the sampler process that reads them, and facts about the host.

Needs the standard library only. ``pynvml`` and ``pyRAPL`` are used where they are installed; where
they are not, discovery says so.
"""
