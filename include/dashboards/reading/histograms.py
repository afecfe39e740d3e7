"""What the histograms that the warehouse counts have in common: SQL on the numbers `value` in the rows `chosen`."""

BARS = 40
# Where the bars of numbers from `low` to `top` end: where all are the same, a hundredth further, for a single bar.
HIGH = "CASE WHEN top > low THEN top ELSE low + coalesce(nullif(abs(low), 0), 1) / 100 END AS high"
# The lowest value, and the highest of the smallest 99 %: single outliers would flatten all else.
ENDS = f"""
    SELECT low, top, {HIGH}
    FROM (SELECT min(value)::float AS low, (percentile_disc(0.99) WITHIN GROUP (ORDER BY value))::float AS top
          FROM chosen) found
"""


def place_in_bar(value: str = "value", bars: int = BARS) -> str:
    """The number of a value's bar, from 1; the highest value is in the last one."""
    return f"least(width_bucket({value}::float, low, high, {bars}), {bars})"
