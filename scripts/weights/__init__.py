"""Weights from four sources, and loading them. Every source ends in a folder and `model.json`."""


class WeightsError(RuntimeError):
    """Weights that cannot be had or cannot be trusted; the message is one line."""
