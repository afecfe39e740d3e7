"""Real tables get the declaration that a person would write, by the few lines that nobody can guess."""

from pathlib import Path

import pytest

from include.errors import MltrainError
from tests.declaring.conftest import Declare

INSURANCE = {
    "age": "number",
    "sex": "category",
    "bmi": "number",
    "children": "number",
    "smoker": "flag",
    "region": "category",
}
FORMS = ("semicolon_decimal_comma_bom.csv", "tab.tsv", "utf16.csv", "currency_and_units.csv", "rows.parquet",
         "rows.jsonl.gz", "rows.xlsx", "missing_marks.csv", "part-*.csv")  # fmt: skip


def test_insurance_needs_no_setting(tables: Path, run: Declare) -> None:
    declared = run(tables / "insurance/insurance.csv", "charges")
    assert declared.kinds == INSURANCE
    assert (declared.problem.time, declared.problem.split_by) == (None, "hash")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_table_gives_the_same_kinds(tables: Path, run: Declare, form: str) -> None:
    assert run(tables / "formats" / form, "charges").kinds == INSURANCE


def test_currency_and_unit_are_declared(tables: Path, run: Declare) -> None:
    problem = run(tables / "formats/currency_and_units.csv", "charges").problem
    assert (problem.unit, problem.columns["bmi"].unit) == ("dollars", "kg/m²")


def test_numbers_for_yes_and_no_are_flags(tables: Path, run: Declare) -> None:
    assert run(tables / "formats/booleans.csv", "charges").kinds == {**INSURANCE, "sex": "flag"}


def test_strange_names_become_neutral_ones(tables: Path, run: Declare) -> None:
    problem = run(tables / "formats/strange_names.csv", 'région; "charges"').problem
    assert {name: column.source for name, column in problem.columns.items()} == {
        "age": "age", "sex": "sex", "body_mass_index_kg_m2": "Body Mass Index (kg/m²)", "select": "select",
        "order": "order", "region": "region",
    }  # fmt: skip


def test_name_that_is_there_twice_is_refused(tables: Path, run: Declare) -> None:
    with pytest.raises(MltrainError, match=r"column 'age' is there twice \(positions 1 and 4\): rename one"):
        run(tables / "formats/duplicated_names.csv", "charges")


def test_cars_have_numbers_with_units_and_names_that_are_text(tables: Path, run: Declare) -> None:
    declared = run(tables / "cars_used/car_details.csv", "selling_price")
    assert declared.kinds == {
        "name": "text", "year": "number", "km_driven": "number", "fuel": "category", "seller_type": "category",
        "transmission": "category", "owner": "category", "mileage": "number", "engine": "number",
        "max_power": "number", "torque": "category", "seats": "number",
    }  # fmt: skip
    assert declared.problem.columns["mileage"].unit == "kmpl"
    assert "1,202 of 8,128 rows repeat an earlier one (14.8%): they are left out" in declared.shown
    assert "alone explains" not in declared.shown


def test_houses_lose_their_two_ids_and_nothing_else(tables: Path, run: Declare) -> None:
    declared = run(tables / "house_prices_ames/AmesHousing.csv", "SalePrice")
    assert [source for source, kind in declared.kinds.items() if kind in ("id", "ignored")] == ["Order", "PID"]
    assert declared.kinds["Year Built"] == "number"
    assert declared.problem.time is None
    assert len(declared.problem.inputs) == 79


def test_bikes_join_date_and_hour(tables: Path, run: Declare) -> None:
    declared = run(tables / "bike_seoul/SeoulBikeData.csv", "Rented Bike Count", TIMEZONE="Asia/Seoul")
    assert declared.document["time"] == ["Date", "Hour"]
    date = declared.problem.columns["date"]
    assert (declared.problem.time, date.clock, date.time_format) == ("date", "Hour", "%d/%m/%Y")
    assert "read as cp1252" in declared.shown


def test_energy_takes_the_time_and_not_its_day(tables: Path, run: Declare) -> None:
    declared = run(tables / "energy_victoria/vic_elec.parquet", "Demand", TIMEZONE="Australia/Melbourne", HORIZON="336")
    assert declared.kinds == {"Time": "time", "Temperature": "number", "Date": "ignored", "Holiday": "flag"}
    assert (declared.problem.time, declared.problem.horizon) == ("time", 336)


def test_stores_are_the_series_of_sales_and_their_dates_begin_with_the_day(tables: Path, run: Declare) -> None:
    declared = run(tables / "retail_walmart/walmart_store_sales.csv", "Weekly_Sales", SERIES="Store", HORIZON="1")
    problem = declared.problem
    assert (problem.time, problem.series, problem.horizon) == ("date", "store", 1)
    assert (problem.columns["date"].time_format, declared.kinds["Store"]) == ("%d-%m-%Y", "code")


def test_flights_of_several_months_keep_what_is_known_later_out(tables: Path, run: Declare) -> None:
    source = tables / "flights_nyc/flights_{month}.csv.gz"
    later = "dep_time,arr_time,air_time"
    declared = run(source, "arr_delay", TIMEZONE="America/New_York", KNOWN_LATER=later)
    problem = declared.problem
    assert (problem.months, problem.time) == (("2013-01", "2013-02", "2013-03"), "time_hour")
    assert set(later.split(",")) == set(problem.known_later)
    assert declared.kinds["tailnum"] == "category"
    assert "'dep_delay' alone explains 8" in declared.shown
    assert "KNOWN_LATER=dep_delay" in declared.shown


def test_churn_is_a_class_and_its_customers_are_ids(tables: Path, run: Declare) -> None:
    declared = run(tables / "churn_telco/Telco-Customer-Churn.csv", "Churn")
    assert (declared.document["classes"], declared.document["positive"]) == (["No", "Yes"], "Yes")
    assert [source for source, kind in declared.kinds.items() if kind in ("id", "ignored")] == ["customerID"]
    assert (declared.kinds["TotalCharges"], declared.kinds["SeniorCitizen"]) == ("number", "flag")
    assert "Classes: No (73.5%), Yes (26.5%); Yes is the one that is looked for" in declared.shown
    assert "alone explains" not in declared.shown
