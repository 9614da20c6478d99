"""Runtimes under measurement: frameworks, and engines that run a framework's ONNX export."""


class RuntimeUnavailableError(RuntimeError):
    """A runtime that cannot compute where it was asked to; the message is one line."""
