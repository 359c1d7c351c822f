"""What publishing tests say to a ConfigService."""

import itertools
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

from tessera.config.v1 import config_service_pb2 as pb
from tests.support.suite import Suite

_NUMBERS = itertools.count(1)


def document(kind: str, code: str, programme: str = "shop", **spec: Any) -> pb.Document:
    """A document of the ledger."""
    struct = struct_pb2.Struct()
    struct.update(spec)
    return pb.Document(kind=kind, code=code, programme=programme, spec=struct)


def setting(code: str, value: Any, programme: str = "shop", **more: Any) -> pb.Document:
    return document("setting", code, programme, value=value, **more)


def publish(suite: Suite, *documents: pb.Document, request_id: str = "", timeout: float = 10, **options: bool) -> Any:
    """A call that publishes."""
    request_id = request_id or f"publish-{next(_NUMBERS)}"
    request = pb.PublishDocumentsRequest(request_id=request_id, documents=documents, **options)
    return suite.config("ledger").PublishDocuments(request, timeout=timeout)


async def in_force(suite: Suite, version: int = 0, programme: str = "") -> Mapping[str, Any]:
    """Values of the settings of a version, by code."""
    listed = await suite.config("ledger").ListDocuments(pb.ListDocumentsRequest(version=version, programme=programme))
    return {document.code: document.spec["value"] for document in listed.documents}
