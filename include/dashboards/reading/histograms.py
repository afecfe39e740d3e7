"""What the histograms that the warehouse counts have in common."""

from psycopg import sql

BARS = 40
# The lowest value, the highest of the smallest 99 % (single outliers would flatten all else), and where bars end: where
# both are the same, a hundredth further, for a single bar. Of the numbers {value} in {rows}.
ENDS = sql.SQL("""
    SELECT low, top, CASE WHEN top > low THEN top ELSE low + coalesce(nullif(abs(low), 0), 1) / 100 END AS high
    FROM (SELECT min({value})::float AS low, (percentile_disc(0.99) WITHIN GROUP (ORDER BY {value}))::float AS top
          FROM {rows}) found
""")
# The number of a value's bar, from 1; the highest value is in the last one.
BAR = sql.SQL("least(width_bucket({value}::float, low, high, {bars}), {bars})")
