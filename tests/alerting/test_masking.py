import pytest

from include.alerting.masking import mask

ENVIRONMENT = {
    "AIRFLOW_CONN_WAREHOUSE": "postgres://taxi:s3cret%40word@db:5432/warehouse",
    "AIRFLOW_CONN_SMTP_DEFAULT": '{"login": "alerts", "password": "open-sesame", "extra": {"token": "tok-12345"}}',
    "AIRFLOW__CORE__FERNET_KEY": "abcdefghijklmnop=",
    "SERVING_API_KEY": "key-of-the-service",
    "PWD": "/srv/project",
    "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": "/srv/passwords.json",
    "DB_PASSWORD": "short",
    "HOME": "/home/somebody",
    "SOURCE": "https://hub-4711@store/rows.csv?month=2024-01&sig=signed-by-us",
    "OTHER_WAREHOUSE": "postgresql://taxi:slash/and@sign@db/other",
}


@pytest.mark.parametrize(
    "secret",
    ["s3cret%40word", "s3cret@word", "open-sesame", "tok-12345", "abcdefghijklmnop=", "key-of-the-service",
     "hub-4711", "signed-by-us", "slash/and@sign"],
)  # fmt: skip
def test_secret_of_the_environment_is_masked_wherever_it_stands(secret: str) -> None:
    assert mask(f"before {secret}, after", ENVIRONMENT) == "before ***, after"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("connect to postgresql://taxi:hunter22@db/x failed", "connect to postgresql://taxi:***@db/x failed"),
        ("redis://:hunter22@broker:6379", "redis://:***@broker:6379"),
        ("postgresql://taxi:hunt/er@22?#@db/x failed", "postgresql://taxi:***@db/x failed"),
        ("no rows at https://hunter22@store/x.csv", "no rows at https://***@store/x.csv"),
        ("https://store/x?sig=hunter22&page=1", "https://store/x?sig=***&page=1"),
        ("https://store/x?page=1&X-Amz-Signature=hunter22", "https://store/x?page=1&X-Amz-Signature=***"),
        ("Signature=hunter22 was refused", "Signature=*** was refused"),
        ("https://store/x?code=hunter22", "https://store/x?code=***"),
        ("AccountKey=hunter22==;Suffix=x", "AccountKey=***;Suffix=x"),
        (r'{"password": "hunt\"er22", "rows": 3}', '{"password": ***, "rows": 3}'),
        ("password=hunter22 host=db", "password=*** host=db"),
        ("'api_key': 'hunter22', 'rows': 3", "'api_key': ***, 'rows': 3"),
        ("https://api/x?access_token=hunter22&month=1", "https://api/x?access_token=***&month=1"),
        ("curl --api-key hunter22 https://api", "curl --api-key *** https://api"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
    ],
)
def test_secret_is_known_by_its_company(text: str, masked: str) -> None:
    assert mask(text, {}) == masked


@pytest.mark.parametrize(
    "text",
    [
        'FATAL: password authentication failed for user "taxi"',
        "File /srv/project/dags/example.py, line 3",
        "a short sentence: nothing is secret",
        "https://www.example.org/path@5 and 2024-01",
        "http://db:8080/x and team@example.org",
        "postgresql://taxi@db/x",
        "https://store/x?author=me&postcode=8",
        "sorted(rows, key=month) with sigma=0.5 and design=new",
        "tokens are words",
    ],
)
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert mask(text, ENVIRONMENT) == text
