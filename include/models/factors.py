"""Factors, as they are written, and on axes of their logarithms."""

import math

# Steps of an axis of factors, the smallest first.
RATIOS = (1.01, 1.02, 1.05, 1.1, 1.25, 1.5, 2.0, 4.0, 10.0, 100.0)
MOST_TICKS = 9


def tick_factors(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Factors to name on an axis of their logarithms from `low` to `high`: 1 and equal steps from it."""
    ratio = next((ratio for ratio in RATIOS if (high - low) / math.log(ratio) < most), RATIOS[-1])
    steps = range(math.ceil(low / math.log(ratio)), math.floor(high / math.log(ratio)) + 1)
    return [ratio**step for step in steps]


def show_factor(factor: float) -> str:
    """A factor as `x 0.74`."""
    # Odds can change by far more than what two decimals can tell.
    return f"x {factor:.2g}" if factor < 0.01 else f"x {factor:.2f}" if factor < 10 else f"x {factor:.0f}"
