"""AWS on this machine: moto's server, with what it lacks of the calls that Terraform's provider makes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.elasticache.models import ElastiCacheBackend
from moto.elasticache.responses import ElastiCacheResponse
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@dataclass(frozen=True)
class Cloud:
    """Where AWS's interfaces are, and clients of them."""

    address: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.address,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def _delete_group(self: ElastiCacheBackend, replication_group_id: str, **_: Any) -> Any:
    return self.replication_groups.pop(replication_group_id)


def _delete_subnets(self: ElastiCacheResponse) -> EmptyResult:
    del self.elasticache_backend.cache_subnet_groups[self._get_param("CacheSubnetGroupName")]
    return EmptyResult()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    patch = pytest.MonkeyPatch()
    # What moto 5.2 leaves out: tags of scaling targets, which the provider reads of all that it makes; that a broker
    # which is deleted is gone at some time; and that its subnets can be deleted.
    patch.setattr(
        ApplicationAutoScalingResponse, "list_tags_for_resource", lambda self: ActionResult({"Tags": {}}), raising=False
    )
    patch.setattr(ElastiCacheBackend, "delete_replication_group", _delete_group)
    patch.setattr(ElastiCacheResponse, "delete_cache_subnet_group", _delete_subnets, raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What another module's tests made stays in this process.
    httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
    yield Cloud(f"http://{host}:{port}")
    server.stop()
    patch.undo()
