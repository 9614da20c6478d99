"""From readings to joules."""
