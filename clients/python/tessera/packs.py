"""Packs: folders of YAML documents that configure a programme, read, checked and published where they are known."""

import asyncio
import re
import uuid
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from google.protobuf import struct_pb2

from tessera.client import Client
from tessera.complaints import Complaint
from tessera.config.v1 import config_service_pb2
from tessera.errors import Error, Violation
from tessera.topology import SERVICES

SERVICES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "programme": SERVICES,
    "domain": ("identity",),
    "group-kind": ("identity",),
    "identifier-type": ("identity",),
    "match-policy": ("identity",),
    "purpose": ("identity",),
    "erasure": ("identity",),
    "unit": ("points",),
    "earn-rule": ("points",),
    "budget": ("points",),
    "conversion": ("points",),
    "funder": ("points",),
    "partner": ("points",),
    "ladder": ("tiers", "benefits"),
    "benefit": ("benefits",),
}
"""For each kind of document the services that know it."""

_CODE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_KEYS = ("kind", "code", "programme", "spec")
_REFUSALS = ("DOCUMENT_INVALID", "EXPRESSION_INVALID")


@dataclass(frozen=True, slots=True)
class PackDocument:
    """One document and where it stands."""

    file: Path
    number: int
    """Its place in the file, from 1."""
    kind: str
    code: str
    programme: str
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """How services call it."""
        return f"{self.kind}/{self.code}"

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return f"{self.file}:{self.number} ({self.name})"


class PackMistakes(Complaint):
    """Everything that is wrong with a pack, one line each: file, number of the document, field, mistake."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n  ".join([f"{len(mistakes)} mistake(s); nothing was published", *mistakes]))
        self.mistakes = tuple(mistakes)


def read_pack(folder: Path) -> list[PackDocument]:
    """The documents of all YAML files in a folder and below, by file and place. Raises PackMistakes."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml"))
    if not files:
        raise PackMistakes([f"{folder}: no YAML files here"])
    mistakes: list[str] = []
    documents = [document for file in files for document in _read_file(file, folder, mistakes)]
    mistakes.extend(_duplicates(documents))
    if mistakes:
        raise PackMistakes(mistakes)
    return documents


def read_document(file: Path, kind: str) -> PackDocument:
    """The one document of this kind in a file. Raises PackMistakes."""
    mistakes: list[str] = []
    found = [document for document in _read_file(file, file.parent, mistakes) if document.kind == kind]
    if not mistakes and len(found) != 1:
        mistakes.append(f"{file.name}: must have one document of the kind {kind}, and has {len(found)}")
    if mistakes:
        raise PackMistakes(mistakes)
    return found[0]


async def publish_pack(
    client: Client, documents: Sequence[PackDocument], *, dry_run: bool
) -> dict[str, config_service_pb2.PublishDocumentsResponse]:
    """Publishes a pack to the services that know its documents; returns what each answered.

    The documents are everything their programmes have: others of these programmes are removed. Every service checks all
    of its documents before any service publishes. Raises PackMistakes for what they refuse.
    """
    requests = _requests(documents)
    answers = await asyncio.gather(
        *(_publish(client, service, request, dry_run=True) for service, request in requests.items()),
        return_exceptions=True,
    )
    raise_mistakes(documents, answers)
    if not dry_run:
        answers = [await _publish(client, service, request, dry_run=False) for service, request in requests.items()]
    return {
        service: answer
        for service, answer in zip(requests, answers, strict=True)
        if isinstance(answer, config_service_pb2.PublishDocumentsResponse)
    }


def _requests(documents: Sequence[PackDocument]) -> dict[str, config_service_pb2.PublishDocumentsRequest]:
    requests: dict[str, config_service_pb2.PublishDocumentsRequest] = {}
    for service in SERVICES:
        known = [message_of(document) for document in documents if service in SERVICES_OF[document.kind]]
        if known:
            requests[service] = config_service_pb2.PublishDocumentsRequest(documents=known, complete=True)
    return requests


async def _publish(
    client: Client, service: str, request: config_service_pb2.PublishDocumentsRequest, *, dry_run: bool
) -> config_service_pb2.PublishDocumentsResponse:
    request.request_id = str(uuid.uuid4())
    request.validate_only = dry_run
    return await client.config(service).PublishDocuments(request)


def message_of(document: PackDocument) -> config_service_pb2.Document:
    """A document as services take it."""
    spec = struct_pb2.Struct()
    spec.update(document.spec)
    return config_service_pb2.Document(kind=document.kind, code=document.code, programme=document.programme, spec=spec)


def raise_mistakes(documents: Sequence[PackDocument], answers: Iterable[Any]) -> None:
    """Raises PackMistakes for documents that services refused; what else went wrong is raised as it is."""
    mistakes: list[str] = []
    for answer in answers:
        if isinstance(answer, Error) and answer.reason in _REFUSALS and answer.violations:
            mistakes.extend(_located(documents, violation) for violation in answer.violations)
        elif isinstance(answer, BaseException):
            raise answer
    if mistakes:
        # A document that two services know is refused by both.
        raise PackMistakes(list(dict.fromkeys(mistakes)))


def _located(documents: Sequence[PackDocument], violation: Violation) -> str:
    """A service's complaint about `unit/points.expiry.months`, as a line that names file and document."""
    for document in documents:
        if violation.field == document.name or violation.field.startswith(f"{document.name}."):
            field = violation.field[len(document.name) + 1 :]
            return f"{document.place}: {field + ': ' if field else ''}{violation.description}"
    return f"{violation.field}: {violation.description}"


def _read_file(file: Path, folder: Path, mistakes: list[str]) -> list[PackDocument]:
    shown = file.relative_to(folder)
    try:
        raw = list(yaml.load_all(file.read_text(), Loader=_Loader))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        mistakes.append(f"{shown}: {error}")
        return []
    documents = []
    for number, document in enumerate(raw, start=1):
        if document is None:
            continue
        found = _mistakes_of(document)
        mistakes.extend(f"{shown}:{number}: {mistake}" for mistake in found)
        if not found:
            documents.append(PackDocument(shown, number, *(document[key] for key in _KEYS)))
    return documents


def _mistakes_of(document: Any) -> list[str]:
    if not isinstance(document, dict):
        return ["must be a mapping with kind, code, programme and spec"]
    found = [f"{key}: is missing" for key in _KEYS if key not in document]
    found.extend(f"{key}: is unknown" for key in document if key not in _KEYS)
    for key in ("kind", "code", "programme"):
        value = document.get(key, "a")
        if not isinstance(value, str) or not _CODE.fullmatch(value):
            found.append(f"{key}: {value!r} is no code (a lower-case letter, then letters, digits and hyphens)")
    if not isinstance(document.get("spec", {}), dict):
        found.append("spec: must be a mapping")
    kind = document.get("kind")
    if not found and kind not in SERVICES_OF:
        found.append(f"kind: no service knows {kind!r}; there are {', '.join(SERVICES_OF)}")
    return found


def _duplicates(documents: Sequence[PackDocument]) -> list[str]:
    first: dict[str, PackDocument] = {}
    found = []
    for document in documents:
        if document.name in first:
            found.append(
                f"{document.place}: stands already at {first[document.name].file}:{first[document.name].number}"
            )
        first.setdefault(document.name, document)
    return found


class _Loader(yaml.SafeLoader):
    """YAML as JSON knows it: dates stay texts, `on` and `no` are words, and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key, (key_node, _) in zip(keys, node.value, strict=True):
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is no text", key_node.start_mark)
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        return super().construct_mapping(node, deep)


_TIMESTAMP, _BOOL = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_TIMESTAMP, _BOOL)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|false)$"), list("tf"))
