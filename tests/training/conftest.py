from collections.abc import Iterator

import pytest

from tests.conftest import create_database


@pytest.fixture(scope="module")
def url(postgres_url: str, published_template: str) -> Iterator[str]:
    """A warehouse with a published training set of the synthetic sample, in three splits."""
    with create_database(postgres_url, published_template) as url:
        yield url
