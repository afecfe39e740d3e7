"""Synthetic flats for a first look: made up, the same for the same seed.

No row describes a real flat. A rent follows from size, district, age, energy class and equipment by the formula below;
what is left is noise with a standard deviation of `NOISE`, so that no model can have a lower error than that. As in
real tables, some values are missing.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

GENERATOR_VERSION = 1
BLOCK_ROWS = 65_536
# Euros for each month and square metre, and how many of a thousand flats are there.
DISTRICTS = {
    "Old Town": (17.5, 90),
    "Harbour": (16.0, 110),
    "University": (15.0, 120),
    "Parkside": (14.5, 100),
    "Station": (12.5, 140),
    "Garden City": (12.0, 130),
    "Mill Quarter": (11.0, 120),
    "Northfields": (9.5, 100),
    "Brickworks": (9.0, 70),
    "Airport": (8.0, 20),
}
HEATINGS = {"gas": 0.0, "district heating": 0.2, "heat pump": 0.6, "oil": -0.3, "electric": -0.5}
ENERGY_CLASSES = {"A": 0.8, "B": 0.5, "C": 0.2, "D": 0.0, "E": -0.3, "F": -0.6, "G": -0.9}
BALCONY, FURNISHED, FLOOR = 35.0, 140.0, 6.0
# From this year on a building counts as new, and before the other one as old, which some people pay for.
NEW, OLD = 2010, 1919
NOISE = 60.0
# Share of the rows without the value.
MISSING = {"year built": 0.08, "heating": 0.06, "energy class": 0.15, "furnished": 0.03, "floor": 0.02}
SCHEMA = pa.schema(
    [
        ("listing", pa.string()),
        *((name, pa.float64()) for name in ("living area (m²)", "rooms", "floor", "year built")),
        *((name, pa.string()) for name in ("district", "heating", "energy class", "balcony", "furnished")),
        ("days online", pa.int64()),
        ("rent", pa.float64()),
    ]
)


def list_columns() -> dict[str, str]:
    """The sample's column names and their types."""
    return {field.name: str(field.type) for field in SCHEMA}


def generate(seed: int, rows: int, part: str) -> Iterator[pa.RecordBatch]:
    """Generates flats, by blocks so that any number of rows fits in memory.

    Args:
        seed: Same seed, same rows.
        rows: Rows of the part.
        part: What is loaded at once: `all`, or a month, each of which has flats of its own.

    Yields:
        Batches in the sample's schema; areas in square metres, rents in euros for each month.
    """
    for number, start in enumerate(range(0, rows, BLOCK_ROWS)):
        generator = np.random.default_rng([seed, *part.encode(), number])
        yield _generate_block(generator, part, start, min(BLOCK_ROWS, rows - start))


def _generate_block(draw: np.random.Generator, part: str, start: int, rows: int) -> pa.RecordBatch:
    shares = np.array([share for _, share in DISTRICTS.values()], dtype=float)
    districts = draw.choice(len(DISTRICTS), rows, p=shares / shares.sum())
    areas = np.clip(np.round(draw.gamma(6.0, 11.5, rows), 1), 14, 320)
    built = np.clip(np.round(draw.choice([1905, 1958, 1975, 2004], rows) + draw.normal(0, 9, rows)), 1880, 2023)
    heating, energy = (draw.integers(len(names), size=rows) for names in (HEATINGS, ENERGY_CLASSES))
    floors = draw.integers(0, 8, rows)
    balcony, furnished = draw.random(rows) < 0.45, draw.random(rows) < 0.12
    for_each_metre = (
        np.array([price for price, _ in DISTRICTS.values()])[districts]
        + np.array(list(HEATINGS.values()))[heating]
        + np.array(list(ENERGY_CLASSES.values()))[energy]
        + 2.5 * (built >= NEW)
        + 1.0 * (built < OLD)
        # A metre of a small flat costs more.
        + 60 / areas
    )
    rents = for_each_metre * areas + BALCONY * balcony + FURNISHED * furnished + FLOOR * floors
    values: dict[str, npt.NDArray[np.generic]] = {
        "listing": np.array([f"{part}-{number:07}" for number in range(start, start + rows)]),
        "living area (m²)": areas,
        "rooms": np.maximum(1, np.round(areas / 27 + draw.normal(0, 0.4, rows)) + 0.5 * (draw.random(rows) < 0.3)),
        "floor": floors.astype(float),
        "year built": built,
        "district": np.array(list(DISTRICTS))[districts],
        "heating": np.array(list(HEATINGS))[heating],
        "energy class": np.array(list(ENERGY_CLASSES))[energy],
        "balcony": np.where(balcony, "yes", "no"),
        "furnished": np.where(furnished, "yes", "no"),
        "days online": draw.poisson(12, rows) + 1,
        "rent": np.round(np.maximum(150, rents + draw.normal(0, NOISE, rows)), 2),
    }
    without = {name: draw.random(rows) < share for name, share in MISSING.items()}
    return pa.record_batch(
        [pa.array(values[field.name], field.type, mask=without.get(field.name)) for field in SCHEMA], schema=SCHEMA
    )
