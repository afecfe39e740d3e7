"""How a source's files are to be read: what a problem declares where they do not show it themselves."""

from dataclasses import dataclass

# What means a missing value in any table.
MISSING_MARKS = frozenset({"", "-", "?", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "Null", "NaN", "nan"})
# The format of times that need none declared.
ISO = "iso"


@dataclass(frozen=True)
class Reading:
    r"""What is declared of a source; None where the file itself is to show it.

    Attributes:
        delimiter: The character between two values of a line, such as `;` or `\t`.
        decimal: The decimal mark of numbers in text, `.` or `,`.
        encoding: The name of the text's encoding, such as `cp1252`.
        missing: Values that mean a missing one, besides the usual marks, such as `-200`.
        records: The path of keys, with dots between them, to the list of records in the answer of an API.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    records: str = ""

    @property
    def marks(self) -> frozenset[str]:
        """All marks of a missing value."""
        return MISSING_MARKS.union(self.missing)


DETECT = Reading()
