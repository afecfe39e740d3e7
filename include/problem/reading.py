"""How a source's files are to be read: what a problem declares where they do not show it themselves."""

from dataclasses import dataclass

# What means a missing value in any table.
MISSING_MARKS = frozenset({"", "-", "?", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "Null", "NaN", "nan"})
# A blank within a time, of any width: what Python takes for one. The characters themselves stand here, as in Arrow's
# expressions \s means fewer.
BLANK = "[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
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
        texts: The source's columns that are read as texts: what looks like a number there stays as it is.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    records: str = ""
    texts: frozenset[str] = frozenset()

    @property
    def marks(self) -> frozenset[str]:
        """All marks of a missing value."""
        return MISSING_MARKS.union(self.missing)


DETECT = Reading()
