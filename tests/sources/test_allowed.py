"""Which locations a batch may be read from, however they are written."""

from pathlib import Path

import pytest

from include.errors import SettingsError
from include.settings import Settings, read_settings
from include.sources import open_batches
from include.sources.allowed import AllowedLocations


def allow(*locations: str, source: str = "sample") -> AllowedLocations:
    return AllowedLocations(Settings(_env_file=None, source=source, batch_locations=locations))


WEB = "https://data.example.org/trips/*.parquet"


@pytest.mark.parametrize(
    ("pattern", "location"),
    [
        (WEB, "https://data.example.org/trips/2024-01.parquet"),
        (WEB, "HTTPS://Data.Example.ORG:443/trips/2024-01.parquet"),
        (WEB, "https://data.example.org/trips/2024%2D01.parquet"),
        ("https://data.example.org/**", "https://data.example.org/a/b/c.csv"),
        ("http://[::1]:8080/*", "http://[::1]:8080/a.csv"),
        (
            "https://host/api?page={page}&from={month_start}",
            "https://host/api?page={page}&from=2024-01-01",
        ),
        ("https://host/api?*", "https://host/api?page={page}&m=2024-01"),
        ("s3://trips/green/*", "s3://trips/green/2024-01.parquet"),
        ("postgresql://host/db/city.rows", "postgres://ann@HOST:5432/db/city.rows"),
        ("tlc", "https://d37ci6vzurychx.cloudfront.net/trip-data/green_tripdata_2024-01.parquet"),
        ("sample", "sample"),
    ],
)
def test_location_that_a_pattern_covers_is_read_as_it_was_written(pattern: str, location: str) -> None:
    assert allow(pattern, source="file:///none/{month}.csv").check(location) == location


@pytest.mark.parametrize(
    ("source", "location"),
    [
        ("https://host/{month}.csv", "https://host/2024-01.csv"),
        ("tlc", "https://d37ci6vzurychx.cloudfront.net/trip-data/green_tripdata_2030-12.parquet"),
        ("sample", "sample"),
        ("https://host/api?page={page}&m={month}", "https://host/api?page={page}&m=2024-01"),
    ],
)
def test_any_month_of_the_source_itself_is_allowed(source: str, location: str) -> None:
    assert allow(source=source).check(location) == location


def test_login_of_the_source_is_used_for_the_source_alone() -> None:
    allowed = allow("postgresql://host/db/other.rows", source="postgresql://ann:s3cret@host/db/city.rows")
    assert allowed.check("postgresql://host:5432/db/city.rows") == "postgresql://ann:s3cret@host:5432/db/city.rows"
    assert allowed.check("postgresql://host/db/other.rows") == "postgresql://host/db/other.rows"


@pytest.mark.parametrize(
    "location",
    [
        "http://data.example.org/trips/a.parquet",
        "https://data.example.org:8443/trips/a.parquet",
        "https://data.example.org.evil.net/trips/a.parquet",
        "https://evil.net/https://data.example.org/trips/a.parquet",
        "https://evil.net#@data.example.org/trips/a.parquet",
        "https://evil.net/?data.example.org/trips/a.parquet",
        "https://data.example.org/trips/../secret/a.parquet",
        "https://data.example.org/trips/%2e%2e/a.parquet",
        "https://data.example.org/trips/..%2fsecret.parquet",
        "https://data.example.org/trips/%252e%252e%252fa.parquet",
        "https://data.example.org/trips/sub/a.parquet",
        "https://data.example.org/trips/a.parquet?x=1",
        "https://data.example.org/trips/a.csv",
        "https://data.example.org/trips/\ta.parquet",
        "https://data.example.org/trips/a.parquet\n",
        "https://data.example.org/TRIPS/a.parquet",
        "https://d\u0430ta.example.org/trips/a.parquet",
        "https://data。example.org/trips/a.parquet",
        "https://data.example.org:bad/trips/a.parquet",
        "https://[data.example.org/trips/a.parquet",
        "simplecache::https://data.example.org/trips/a.parquet",
        "http://169.254.169.254/latest/a.parquet",
        "http://127.0.0.1:5000/health?x={page}",
        "http://2130706433/a.parquet",
        "file:///etc/passwd.csv",
        "/etc/passwd.csv",
        "local:///etc/passwd.csv",
        "s3://trips/green/2024-01.parquet",
        "memory://a.csv",
        "postgresql://host/db/city.rows",
        "tlc",
        "sample",
        "",
    ],
)
def test_location_that_no_pattern_covers_is_refused_with_the_key(location: str) -> None:
    with pytest.raises(SettingsError, match=r"(?s)^location .*(BATCH_LOCATIONS|cannot be used)"):
        allow(WEB, source="file:///none/{month}.csv").check(location)


@pytest.mark.parametrize(
    ("pattern", "location"),
    [
        ("postgresql://host/db/city.rows", "postgresql://host/db/city.rows?hostaddr=10.0.0.1"),
        ("postgresql://host/db/city.rows", "postgresql://host,evil/db/city.rows"),
        ("postgresql://host/db/city.rows", "postgresql://host:6543/db/city.rows"),
        ("postgresql://host/db/city.rows", "postgresql://host/other/city.rows"),
        ("s3://trips/green/*", "s3://trips/green/../secret/a.parquet"),
        ("s3://trips/green/*", "s3://key@trips/green/a.parquet"),
        ("s3://trips/green/*", "s3://trips.evil/green/a.parquet"),
        ("zip://a.csv::https://host/*", "zip://a.csv::file:///etc/passwd"),
    ],
)
def test_other_kinds_of_source_are_no_way_around_a_pattern(pattern: str, location: str) -> None:
    with pytest.raises(SettingsError, match="location"):
        allow(pattern).check(location)


@pytest.mark.parametrize(
    "location",
    [
        "https://ann:s3cret@data.example.org/trips/a.parquet",
        "https://:s3cret@data.example.org/trips/a.parquet",
        "https://data.example.org/trips/a.parquet?sig=s3cret",
        "https://data.example.org/trips/a.parquet?API_KEY=s3cret",
        "https://data.example.org/trips/a.parquet?auth=s3cret",
        "https://s3cret@data.example.org/trips/a.parquet",
        "https://ann:s3cr/et@data.example.org/trips/a.parquet",
        "https://data.example.org@evil.net/trips/a.parquet",
        "https://evil.net\\@data.example.org/trips/a.parquet",
        "postgresql://ann:s3cret@host/db/city.rows",
    ],
)
def test_location_with_a_password_is_refused_without_repeating_it_and_with_the_way_out(location: str) -> None:
    with pytest.raises(SettingsError, match="connection_id") as caught:
        allow(WEB, "postgresql://host/db/city.rows").check(location)
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory `data`, a link `linked` to it, and a file outside that a link in it leads to."""
    for name in ("data", "outside", "data/deep"):
        (tmp_path / name).mkdir()
    for name in ("data/a.csv", "outside/secret.csv", "data/deep/b.csv"):
        (tmp_path / name).write_text("a\n1\n")
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    (tmp_path / "data/leak.csv").symlink_to(tmp_path / "outside/secret.csv")
    (tmp_path / "data/out").symlink_to(tmp_path / "outside")
    return tmp_path


@pytest.mark.parametrize("form", ["{}/data/a.csv", "file://{}/data/a.csv", "file://localhost{}/linked/%61.csv",
                                  "{}/outside/../data/./a.csv", "file:{}/data/a.csv"])  # fmt: skip
@pytest.mark.parametrize("pattern", ["file://{}/data/*.csv", "{}/linked/*.csv", "file://{}/linked/**"])
def test_file_is_found_through_any_way_to_write_it_and_read_without_links(
    directory: Path, pattern: str, form: str
) -> None:
    assert allow(pattern.format(directory)).check(form.format(directory)) == str(directory / "data/a.csv")


@pytest.mark.parametrize("form", ["{}/data/leak.csv", "{}/data/out/secret.csv", "{}/data/../outside/secret.csv",
                                  "file://{}/data/%2e%2e/outside/secret.csv", "file://evil{}/data/a.csv",
                                  "{}/data/deep/b.csv", "{}/data/a.csv\n"])  # fmt: skip
def test_file_that_a_link_or_dots_lead_out_to_is_refused(directory: Path, form: str) -> None:
    with pytest.raises(SettingsError, match="location"):
        allow(f"{directory}/data/*.csv").check(form.format(directory))


def test_link_among_the_files_of_a_pattern_is_refused_where_it_leads_out(directory: Path) -> None:
    allowed = allow(f"{directory}/data/*.csv")
    location = allowed.check(f"{directory}/linked/*.csv")
    settings = read_settings(source=location, months=("2024-01",))
    with (
        pytest.raises(SettingsError, match=r"a link leads to .*secret\.csv.* BATCH_LOCATIONS"),
        open_batches(settings, "2024-01", allowed.check_redirect),
    ):
        pass
    (directory / "data/leak.csv").unlink()
    with open_batches(settings, "2024-01", allowed.check_redirect) as contents:
        assert contents.columns == {"a": "text"}


@pytest.mark.parametrize("pattern", ["https://[host/*", "https://host:port/*", "anything"])
def test_pattern_that_is_no_address_is_refused_by_its_key(pattern: str) -> None:
    with pytest.raises(SettingsError, match="BATCH_LOCATIONS"):
        read_settings(batch_locations=(pattern,))


@pytest.mark.parametrize("url", ["http://169.254.169.254/a", "https://evil.net/trips/a.parquet", "file:///etc/passwd"])
def test_redirect_to_where_no_pattern_leads_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="a server or a link leads to .* BATCH_LOCATIONS"):
        allow(WEB).check_redirect(url)


def test_redirect_within_the_patterns_is_followed_whatever_its_keys() -> None:
    assert allow("https://data.example.org/**?*").check_redirect("https://u:p@data.example.org/x?sig=1") is None
