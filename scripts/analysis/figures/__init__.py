"""The figures, one a module; each takes a `Campaign` and gives a matplotlib figure."""

from analysis.figures import (
    amplification,
    answer,
    context,
    estimators,
    law,
    phases,
    position,
    power,
    published,
    runtimes_correlation,
    runtimes_energy,
    runtimes_engines,
    runtimes_onnx,
    runtimes_parity,
    runtimes_providers,
    savings,
)
from analysis.figures.campaign import Campaign

PHASES = {
    "power": power.draw,
    "phases": phases.draw,
    "position": position.draw,
    "estimators": estimators.draw,
    "amplification": amplification.draw,
    "context": context.draw,
    "law": law.draw,
    "published": published.draw,
    "answer": answer.draw,
    "savings": savings.draw,
}
RUNTIMES = {
    "runtimes-energy": runtimes_energy.draw,
    "runtimes-engines": runtimes_engines.draw,
    "runtimes-onnx": runtimes_onnx.draw,
    "runtimes-providers": runtimes_providers.draw,
    "runtimes-correlation": runtimes_correlation.draw,
    "runtimes-parity": runtimes_parity.draw,
}
FIGURES = PHASES | RUNTIMES

__all__ = ["FIGURES", "PHASES", "RUNTIMES", "Campaign"]
