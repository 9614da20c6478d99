"""The experiment: what a configuration says, checked, and the sessions that follow from it."""

from configuration.experiment import Session, plan
from configuration.validation import ConfigurationError, validate

__all__ = ["ConfigurationError", "Session", "plan", "validate"]
