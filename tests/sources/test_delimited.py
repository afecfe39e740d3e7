"""Text files as people have them: any usual delimiter, encoding and decimal mark, found or declared."""

import codecs
from pathlib import Path

import pytest

from include.errors import SettingsError, SourceInvalid
from include.problem.declaration import Problem
from include.problem.reading import DETECT, Reading
from include.settings import Settings
from include.sources import open_batches
from include.sources.contents import Opened
from include.sources.formats.delimited import open_csv

# As tables come from others: a European spreadsheet, a public bike hire, names that no one would choose.
SPREADSHEET = "age;sex;bmi;charges\n19;female;27,9;16884,924\n18;male;33,77;1725,5523\n28;male;33,0;4449,462\n"
BIKES = "Date,Temperature(°C),Seasons\n1/12/2017,-5.2,Winter\n1/12/2017,-5.5,Winter\n"
NAMES = 'age,Body Mass Index (kg/m²),select,order,"région; ""charges"""\n19,27.9,0,yes,16884.924\n'


def open_text(directory: Path, text: str | bytes, reading: Reading = DETECT, **options) -> Opened:
    path = directory / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_csv(path, str(path), reading=reading, **options)


def read(directory: Path, text: str | bytes, reading: Reading = DETECT, **options) -> list[dict]:
    opened = open_text(directory, text, reading, **options)
    return [row for batch in opened.read(list(opened.columns)) for row in batch.to_pylist()]


# Delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_delimiter_is_found_though_others_are_in_the_values(tmp_path: Path, delimiter: str, line_end: str) -> None:
    others = "".join(set(",;\t|") - {delimiter})
    rows = [["id", "note", "price"], ["1", f'"a{others}b"', "2.5"], ["2", f'"{delimiter}"', "3.5"], ["3", "c", "4.5"]]
    text = line_end.join(delimiter.join(row) for row in rows)
    assert [row["note"] for row in read(tmp_path, text)] == [f"a{others}b", delimiter, "c"]


def test_delimiter_is_the_one_that_finds_the_wanted_columns(tmp_path: Path) -> None:
    text = "when|a,b\n2024-01-01|1,2\n2024-01-02|3,4\n"
    assert list(open_text(tmp_path, text, wanted=["when"]).columns) == ["when", "a,b"]


def test_delimiter_of_a_file_with_one_row_is_found(tmp_path: Path) -> None:
    assert read(tmp_path, "age;bmi\n19;27,9\n") == [{"age": "19", "bmi": "27.9"}]


def test_line_that_names_the_delimiter_is_obeyed_and_no_row(tmp_path: Path) -> None:
    assert read(tmp_path, codecs.BOM_UTF8 + b"\r\nsep=|\r\na|b\r\n1|2\r\n") == [{"a": "1", "b": "2"}]


def test_declared_delimiter_can_be_any_character(tmp_path: Path) -> None:
    assert read(tmp_path, "a:b,c\n1:2,x\n", Reading(delimiter=":")) == [{"a": "1", "b,c": "2,x"}]


@pytest.mark.parametrize(
    ("text", "delimiter", "complaint"),
    [
        (SPREADSHEET, ",", r"a.csv: one column was found, 'age;sex;bmi;.*': .*separated by ';'. Set DELIMITER=';'"),
        ("a|b\n1|2\n", ",", r"separated by '\|'. Set DELIMITER='\|'"),
        ("a\tb\n1\t2\n", "|", r"separated by 'tab'. Set DELIMITER=tab"),
    ],
)
def test_wrong_delimiter_is_refused_with_the_likely_one(
    tmp_path: Path, text: str, delimiter: str, complaint: str
) -> None:
    with pytest.raises(SourceInvalid, match=complaint):
        open_text(tmp_path, text, Reading(delimiter=delimiter))


@pytest.mark.parametrize(
    ("reading", "complaint"),
    [
        (Reading(delimiter=""), "DELIMITER '' is not one character"),
        (Reading(delimiter="::"), "DELIMITER '::' is not one character"),
        (Reading(decimal=";"), "DECIMAL ';' is not known: give . or ,"),
        (Reading(encoding="klingon"), "ENCODING 'klingon'.* is unknown"),
        (Reading(encoding="base64"), "ENCODING 'base64'.* is unknown"),
    ],
)
def test_declaration_that_cannot_be_is_named(tmp_path: Path, reading: Reading, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        open_text(tmp_path, SPREADSHEET, reading)


# Encodings


@pytest.mark.parametrize(
    ("contents", "declared"),
    [
        (BIKES.encode(), None),
        (codecs.BOM_UTF8 + BIKES.encode(), None),
        (codecs.BOM_UTF8 + BIKES.encode(), "utf-8"),
        (BIKES.encode("utf-16"), None),
        (BIKES.encode("utf-16-le"), "utf-16-le"),
        (BIKES.encode("utf-32"), None),
        (BIKES.encode("latin-1"), "latin-1"),
        (BIKES.encode("cp437"), "cp437"),
    ],
)
def test_text_of_a_marked_or_declared_encoding_is_read_without_a_warning(
    tmp_path: Path, contents: bytes, declared: str | None
) -> None:
    opened = open_text(tmp_path, contents, Reading(encoding=declared))
    assert list(opened.columns) == ["Date", "Temperature(°C)", "Seasons"]
    assert sum(batch.num_rows for batch in opened.read(["Date"])) == 2
    assert opened.warnings == ()


@pytest.mark.parametrize("place", ["header", "late"])
def test_text_that_is_not_in_utf_8_is_read_as_cp1252_with_a_warning_that_names_the_byte(
    tmp_path: Path, place: str
) -> None:
    text = BIKES if place == "header" else BIKES.replace("°", "") + "1/1/2018,0,€\n" * 200_000
    opened = open_text(tmp_path, text.encode("cp1252"))
    rows = [row for batch in opened.read(list(opened.columns)) for row in batch.to_pylist()]
    byte, line = ("B0", 1) if place == "header" else ("80", 4)
    assert opened.warnings == (
        f"{tmp_path}/a.csv: byte 0x{byte} in line {line} is not UTF-8; read as cp1252. Set ENCODING to say otherwise",
    )
    assert ("Temperature(°C)" in rows[0]) if place == "header" else (rows[-1]["Seasons"] == "€")


def test_letter_that_is_cut_by_the_end_of_a_piece_is_read(tmp_path: Path) -> None:
    text = "a,b\n" + "1,é\n" * 600_000
    for shift in range(3):
        assert open_text(tmp_path, "x" * shift + text).warnings == ()


@pytest.mark.parametrize(
    ("contents", "declared", "complaint"),
    [
        (BIKES.encode("latin-1"), "utf-8", "byte 0xB0 in line 1 is not utf-8, which ENCODING declares. Set ENCODING"),
        (BIKES.encode()[:-1] + b"\xc3", "utf-8", "byte 0xC3 in line 3 is not utf-8"),
        (b"a,b\n1,\x90\n", None, "byte 0x90 in line 2 is neither UTF-8 nor cp1252. Set ENCODING"),
        (BIKES.encode("utf-16-le"), None, "UTF-16 without a byte order mark.*set ENCODING to utf-16-le"),
    ],
)
def test_text_of_another_encoding_is_refused_with_the_setting(
    tmp_path: Path, contents: bytes, declared: str | None, complaint: str
) -> None:
    with pytest.raises(SourceInvalid, match=complaint):
        read(tmp_path, contents, Reading(encoding=declared))


# Decimal marks


def test_decimal_commas_of_a_file_with_semicolons_become_points(tmp_path: Path) -> None:
    assert read(tmp_path, codecs.BOM_UTF8 + SPREADSHEET.encode())[1] == {
        "age": "18", "sex": "male", "bmi": "33.77", "charges": "1725.5523",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,5", "-2,25", "3"], ["1.5", "-2.25", "3"]),
        (["1.234,5", "1 234 567,25", "7"], ["1234.5", "1234567.25", "7"]),
        (["€ 1.234,50", "€ 7,00"], ["€ 1234.50", "€ 7.00"]),
        (["27,9 kg/m²", "30 kg/m²"], ["27.9 kg/m²", "30 kg/m²"]),
        (["1,5", "NA", "", "-"], ["1.5", "NA", None, "-"]),
        (["1,234.50", "1,234,567"], ["1,234.50", "1,234,567"]),
        (["1.5", "2.5"], ["1.5", "2.5"]),
        (["red, green", "1,5"], ["red, green", "1,5"]),
        (["01.02.2024", "02.02.2024"], ["01.02.2024", "02.02.2024"]),
        (["1.234", "5.678"], ["1.234", "5.678"]),
        (["1,234", "850"], ["1.234", "850"]),
        (["R$ 1.234,50", "R$ 7,00"], ["R$ 1234.50", "R$ 7.00"]),
        (["1.234,5\u00a0€", "7\u00a0€"], ["1234.5\u00a0€", "7\u00a0€"]),
        (["1\u2019234,5", "1\u2009234"], ["1234.5", "1234"]),
        (["Typ 1,5", "Typ 2,5"], ["Typ 1,5", "Typ 2,5"]),
        (["A1,5", "A2,5"], ["A1,5", "A2,5"]),
    ],
)
def test_column_of_decimal_commas_is_known_by_nearly_all_of_its_values(
    tmp_path: Path, values: list[str], expected: list[str | None]
) -> None:
    text = "id;value\n" + "".join(f"{number};{value}\n" for number, value in enumerate(values))
    assert [row["value"] for row in read(tmp_path, text)] == expected


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("value", ["0,25", "1,5", "1.234,567", "1234,567", "0,125", "12,3456"])
def test_point_is_a_mark_of_thousands_in_all_columns_where_one_has_decimal_commas(
    tmp_path: Path, delimiter: str, value: str
) -> None:
    text = f"a;b;c;d\n{value};1.234;0.125;1.5\n2;12.000;0.250;3\n3;850;7;2.25\n".replace(";", delimiter)
    rows = read(tmp_path, text)
    assert rows[0]["a"] == value.replace(".", "").replace(",", ".")
    assert [row["b"] for row in rows] == ["1234", "12000", "850"]
    # Where no thousands can be meant, points stay.
    assert [row["c"] for row in rows] == ["0.125", "0.250", "7"]
    assert [row["d"] for row in rows] == ["1.5", "3", "2.25"]


@pytest.mark.parametrize("delimiter", ["\t", "|"])
@pytest.mark.parametrize("values", [["1,234", "$12,000", "850"], ["1,234,567", "2,000"], ["12,000"] * 40 + ["1,5"]])
def test_commas_that_can_be_marks_of_thousands_stay_where_no_semicolon_says_otherwise(
    tmp_path: Path, delimiter: str, values: list[str]
) -> None:
    text = f"id{delimiter}value\n" + "".join(f"{number}{delimiter}{value}\n" for number, value in enumerate(values))
    assert [row["value"] for row in read(tmp_path, text)] == values


@pytest.mark.parametrize("delimiter", ["\t", "|"])
def test_pairs_of_digits_show_no_decimal_comma_where_no_semicolon_does(tmp_path: Path, delimiter: str) -> None:
    text = "rooms;lat\n1,2;3.141\n3,1;2.718\n".replace(";", delimiter)
    assert read(tmp_path, text) == [{"rooms": "1,2", "lat": "3.141"}, {"rooms": "3,1", "lat": "2.718"}]
    # Where another column shows it, they are numbers.
    text = "rating;price\n1,2;3,50\n3,1;7,25\n".replace(";", delimiter)
    assert read(tmp_path, text) == [{"rating": "1.2", "price": "3.50"}, {"rating": "3.1", "price": "7.25"}]


SHOP = "article;phone;price;people\n100.200;+49 170 123 456;3,50;1.234\n100.300;+49 170 123 457;4,50;850\n"
TEXTS = frozenset(["article", "phone"])


@pytest.mark.parametrize("decimal", [None, ","])
def test_texts_stay_as_they_are_whatever_the_numbers_beside_them_show(tmp_path: Path, decimal: str | None) -> None:
    rows = read(tmp_path, SHOP, Reading(decimal=decimal, texts=TEXTS))
    assert rows[0] == {"article": "100.200", "phone": "+49 170 123 456", "price": "3.50", "people": "1234"}
    priced = Reading(decimal=decimal, texts=TEXTS | {"price"})
    assert read(tmp_path, SHOP, priced)[0]["price"] == "3,50"


def test_commas_of_texts_say_nothing_of_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, SHOP, Reading(texts=TEXTS | {"price"}))[0]["people"] == "1.234"
    assert read(tmp_path, "a;b\n1,5;x\n", Reading(texts=frozenset("ab"))) == [{"a": "1,5", "b": "x"}]


def test_blanks_of_a_column_without_decimal_commas_stay(tmp_path: Path) -> None:
    assert [row["phone"] for row in read(tmp_path, SHOP)] == ["+49 170 123 456", "+49 170 123 457"]


def test_first_decimal_comma_may_come_late(tmp_path: Path) -> None:
    text = "price;people;note\n" + "3;1.234;\n" * 300_000 + "3,50;5.678;x\n"
    rows = read(tmp_path, text)
    assert rows[0] == {"price": "3", "people": "1234", "note": None}
    assert rows[-1] == {"price": "3.50", "people": "5678", "note": "x"}


def test_column_that_is_empty_in_the_first_rows_is_read_as_the_others(tmp_path: Path) -> None:
    text = "price;fee\n" + "3,50;\n" * 300_000 + "3,50;1.234,5\n"
    for reading in (DETECT, Reading(decimal=",")):
        assert read(tmp_path, text, reading)[-1] == {"price": "3.50", "fee": "1234.5"}


def test_point_that_another_column_makes_a_mark_of_thousands_is_told(tmp_path: Path) -> None:
    [warning] = open_text(tmp_path, SHOP, Reading(texts=TEXTS)).warnings
    assert warning == (
        f"{tmp_path}/a.csv: the point of '1.234' in column 'people' is taken for a mark of thousands, as column 'price'"
        " has decimal commas. If that is right, DECIMAL=, has every file read like this; else write decimals with a"
        " comma there, or declare codes as a category"
    )
    assert open_text(tmp_path, SHOP, Reading(decimal=",")).warnings == ()
    assert open_text(tmp_path, SPREADSHEET).warnings == ()


ROW = "1.704.067.200;7,0;1.234,5;12,0;100.200;1,5;1.234;1,0;2,5;1,5"


@pytest.mark.parametrize("decimal", [None, ","])
@pytest.mark.parametrize(("task", "target"), [("regression", "1.5"), ("classification", "1,5")])
def test_columns_that_are_declared_as_texts_are_read_as_they_are_written(
    tmp_path: Path, decimal: str | None, task: str, target: str
) -> None:
    kinds = {"day": "time", "amount": "number", "plan": "code", "article": "category", "note": "text", "number": "id",
             "paid": "flag"}  # fmt: skip
    columns = {name: {"kind": kind} for name, kind in kinds.items()}
    columns["day"]["time_format"] = "unix"
    (tmp_path / "shop.csv").write_text(f"day;hour;amount;plan;article;note;number;paid;fee;y\n{ROW}\n")
    declared = {
        "name": "shop", "source": str(tmp_path / "shop.csv"), "target": "y", "task": task, "time": "day,hour",
        "decimal": decimal, "columns": columns, "classes": ("1,5", "2,5") if task == "classification" else (),
    }  # fmt: skip
    with open_batches(Settings(problem=Problem.from_dict(declared)), "all") as contents:  # type: ignore[arg-type]
        [row] = [row for batch in contents.read(list(contents.columns)) for row in batch.to_pylist()]
    assert row == {
        "day": "1704067200", "hour": "7.0", "amount": "1234.5", "plan": "12.0", "article": "100.200", "note": "1,5",
        "number": "1.234", "paid": "1,0", "fee": "2.5", "y": target,
    }  # fmt: skip


def test_decimal_comma_is_read_where_it_is_declared_and_left_where_a_point_is(tmp_path: Path) -> None:
    quoted = 'a,b\n"1.234,5",1.234\n2,7\n'
    assert read(tmp_path, quoted) == [{"a": "1.234,5", "b": "1.234"}, {"a": "2", "b": "7"}]
    assert read(tmp_path, quoted, Reading(decimal=",")) == [{"a": "1234.5", "b": "1234"}, {"a": "2", "b": "7"}]
    assert read(tmp_path, SPREADSHEET, Reading(decimal="."))[0]["bmi"] == "27,9"


# Values and names


def test_value_may_go_on_in_the_next_line_and_hold_quotes(tmp_path: Path) -> None:
    text = 'a,b\n1,"first\nsecond, ""quoted"""\n' + "2,plain\n" * 300_000 + '3,"x\n\ny"\n'
    rows = read(tmp_path, text)
    assert (rows[0]["b"], rows[-1]["b"], len(rows)) == ('first\nsecond, "quoted"', "x\n\ny", 300_002)


def test_marks_of_missing_values_are_left_to_the_column_that_they_are_in(tmp_path: Path) -> None:
    rows = read(tmp_path, 'garage,b\nNA,1\n"",2\n,3\nnull,4\n')
    assert [row["garage"] for row in rows] == ["NA", None, None, "null"]


def test_names_are_kept_as_they_are_spelt_but_for_blanks_around_them(tmp_path: Path) -> None:
    names = ["age", "Body Mass Index (kg/m²)", "select", "order", 'région; "charges"']
    assert list(read(tmp_path, NAMES)[0]) == names
    assert read(tmp_path, " a ,\tb, two\nwords\n".replace(" two\nwords", '"two\nwords"') + "1,2,3\n") == [
        {"a": "1", "b": "2", "two\nwords": "3"}
    ]


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("age,sex,bmi,age,children", r"column 'age' is there twice \(positions 1 and 4\): rename one"),
        ("age, age,bmi,age ,x", r"column 'age' is there 3 times \(positions 1, 2 and 4\): rename one"),
        ("a,a,a,a,a,a,a", r"column 'a' is there 7 times \(positions 1, 2, 3, 4, 5 and others\): rename one"),
        ('a,"b\nc",d,a,e', r"column 'a' is there twice \(positions 1 and 4\)"),
    ],
)
def test_name_that_is_there_twice_is_refused_with_its_positions(tmp_path: Path, header: str, complaint: str) -> None:
    with pytest.raises(SourceInvalid, match=complaint):
        open_text(tmp_path, f"{header}\n1,2,3,4,5\n")
