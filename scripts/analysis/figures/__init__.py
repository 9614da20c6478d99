"""The figures, one a module; each takes a `Campaign` and gives a matplotlib figure."""

from analysis.figures import answer, phases, position, power, savings
from analysis.figures.campaign import Campaign

FIGURES = {
    "power": power.draw,
    "phases": phases.draw,
    "position": position.draw,
    "answer": answer.draw,
    "savings": savings.draw,
}

__all__ = ["FIGURES", "Campaign"]
