"""Synthetic customers for a first look: made up, the same for the same seed.

No row describes a real customer. Whether one leaves is drawn with a probability that follows from contract, tenure,
charge, faults and calls by the formula below: no model can say more of it than that, see `find_least_loss`. As in real
tables, some values are missing.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

GENERATOR_VERSION = 1
BLOCK_ROWS = 65_536
# What is added to the log-odds of leaving, and how many of a hundred customers have it.
CONTRACTS = {"month to month": (0.9, 55), "one year": (-0.6, 21), "two years": (-1.7, 24)}
INTERNET = {"fibre": (0.5, 44), "cable": (0.0, 34), "none": (-0.6, 22)}
PAYMENTS = {"invoice": (0.3, 34), "card": (-0.2, 22), "transfer": (-0.1, 22), "direct debit": (-0.2, 22)}
REASONS = ("price", "moved", "competitor", "service")
# Nobody says why who has not left.
NO_REASON = "stayed"
MISSING = {"monthly charge": 0.03, "payment": 0.02, "support calls": 0.05}
SCHEMA = pa.schema(
    [
        ("customer", pa.string()),
        *((name, pa.float64()) for name in ("months with us", "monthly charge", "support calls", "faults")),
        *((name, pa.string()) for name in ("contract", "internet", "payment", "paperless", "reason", "left")),
    ]
)


def list_columns() -> dict[str, str]:
    """The sample's column names and their types."""
    return {field.name: str(field.type) for field in SCHEMA}


def generate(seed: int, rows: int, part: str) -> Iterator[pa.RecordBatch]:
    """Generates customers, by blocks so that any number of rows fits in memory.

    Args:
        seed: Same seed, same rows.
        rows: Rows of the part.
        part: What is loaded at once: `all`, or a month, each of which has customers of its own.

    Yields:
        Batches in the sample's schema.
    """
    for batch, _ in _generate_blocks(seed, rows, part):
        yield batch


def find_least_loss(seed: int, rows: int, part: str) -> float:
    """The log loss, over so many rows, of one who knows the formula: less is chance."""
    batches, probabilities = zip(*_generate_blocks(seed, rows, part), strict=True)
    probability = np.concatenate(probabilities)
    left = np.concatenate([batch["left"].to_numpy(zero_copy_only=False) == "yes" for batch in batches])
    return float(-np.log(np.where(left, probability, 1 - probability)).mean())


def _generate_blocks(seed: int, rows: int, part: str) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.float64]]]:
    for number, start in enumerate(range(0, rows, BLOCK_ROWS)):
        generator = np.random.default_rng([seed, *part.encode(), number])
        yield _generate_block(generator, part, start, min(BLOCK_ROWS, rows - start))


def _generate_block(
    draw: np.random.Generator, part: str, start: int, rows: int
) -> tuple[pa.RecordBatch, npt.NDArray[np.float64]]:
    """A block, and the probability of leaving of each of its rows, (n,)."""
    contract, internet, payment = (_choose(draw, table, rows) for table in (CONTRACTS, INTERNET, PAYMENTS))
    tenure = np.floor(np.minimum(draw.gamma(1.1, 26, rows), 72))
    usual = 22 + 30 * (internet == "cable") + 52 * (internet == "fibre")
    charge = np.clip(np.round(usual + draw.normal(0, 9, rows), 2), 15, 130)
    faults = draw.poisson(0.6 + 0.5 * (internet == "fibre"), rows)
    calls = draw.poisson(0.5 + 0.8 * faults, rows)
    odds = (
        _add(CONTRACTS, contract)
        + _add(INTERNET, internet)
        + _add(PAYMENTS, payment)
        - 0.035 * tenure
        + 0.015 * (charge - 60)
        + 0.25 * calls
        # Whoever is bound by a contract bears faults.
        + 0.5 * faults * (contract == "month to month")
        - 1.6
    )
    probability = 1 / (1 + np.exp(-odds))
    left = draw.random(rows) < probability
    values: dict[str, npt.NDArray[np.generic]] = {
        "customer": np.array([f"{part}-{number:07}" for number in range(start, start + rows)]),
        "months with us": tenure,
        "monthly charge": charge,
        "support calls": calls.astype(float),
        "faults": faults.astype(float),
        "contract": contract,
        "internet": internet,
        "payment": payment,
        "paperless": np.where(draw.random(rows) < 0.6, "yes", "no"),
        "reason": np.where(left, draw.choice(REASONS, rows), NO_REASON),
        "left": np.where(left, "yes", "no"),
    }
    without = {name: draw.random(rows) < share for name, share in MISSING.items()}
    batch = pa.record_batch(
        [pa.array(values[field.name], field.type, mask=without.get(field.name)) for field in SCHEMA], schema=SCHEMA
    )
    return batch, probability


def _choose(draw: np.random.Generator, table: dict[str, tuple[float, int]], rows: int) -> npt.NDArray[np.str_]:
    shares = np.array([share for _, share in table.values()], dtype=float)
    return np.array(list(table))[draw.choice(len(table), rows, p=shares / shares.sum())]


def _add(table: dict[str, tuple[float, int]], values: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """What the values add to the log-odds."""
    added = {name: odds for name, (odds, _) in table.items()}
    return np.array([added[value] for value in values.tolist()])
