"""What the audit trail keeps of the calls of a method, as its contract says; prepared when the server is built."""

import re
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from services.chassis.logs import is_sensitive
from tessera.access.v1 import access_pb2

REQUEST_ID = "request_id"
ITEMS = "requests"
"""What all contracts call the id of a call that may change something, and the items of a bulk call."""
_DEPTH = 3
"""How deep in a request the IDs are looked for."""
_is_typeid = re.compile(r"[a-z_]{1,63}_[0-7][0-9a-hjkmnp-tv-z]{25}").fullmatch


class AuditedMethod:
    """Which calls of a method are kept, and the IDs that they name."""

    __slots__ = ("_has_request_id", "_ids", "before_answer", "is_bulk", "name")

    def __init__(self, method: MethodDescriptor) -> None:
        request = method.input_type
        item = _item_of(request)
        named = request if item is None else item
        self.name = f"{method.containing_service.full_name}/{method.name}"
        self.before_answer = is_kept_before_answer(method)
        self.is_bulk = item is not None
        self._has_request_id = REQUEST_ID in named.fields_by_name
        self._ids = _reader(list(paths_of_ids(named)))

    def keeps(self, request: Any | None) -> bool:
        """Whether a call is kept; `request` is None when it was malformed."""
        if self.before_answer or (self._has_request_id and request is None):
            return True
        if not self._has_request_id:
            return False
        assert request is not None, "a malformed one was decided on above"
        if self.is_bulk:
            return any(item.request_id for item in request.requests)
        return bool(request.request_id)

    def subjects(self, request: Any) -> str:
        """The IDs that a request names, with spaces between them.

        Items of a bulk call are not validated yet: what is no ID could be anything, and is left out.
        """
        if self.is_bulk:
            return " ".join([one for item in request.requests for one in self._ids(item) if _is_typeid(one)])
        return " ".join(filter(None, self._ids(request)))

    def items(self, request: Any) -> int:
        """How many items a bulk call has, 0 for any other."""
        return len(request.requests) if self.is_bulk else 0


def is_kept_before_answer(method: MethodDescriptor) -> bool:
    """Whether nobody is answered before the call is kept."""
    audited = method.GetOptions().Extensions[access_pb2.audited]
    return bool(audited == access_pb2.AUDITED_BEFORE_ANSWER)


def paths_of_ids(message: Descriptor, depth: int = _DEPTH) -> Iterator[str]:
    """Where in a message, and in the messages in it, IDs of ours stand; none of them is personal."""
    for field in message.fields:
        if _is_id(field):
            yield field.name
        elif field.message_type is not None and not field.is_repeated and depth > 1:
            yield from (f"{field.name}.{path}" for path in paths_of_ids(field.message_type, depth - 1))


def _is_id(field: FieldDescriptor) -> bool:
    if field.type != FieldDescriptor.TYPE_STRING or is_sensitive(field) or field.name in (REQUEST_ID, "external_id"):
        return False
    return field.name.endswith("_ids" if field.is_repeated else "_id")


def _item_of(request: Descriptor) -> Descriptor | None:
    field = request.fields_by_name.get(ITEMS)
    return field.message_type if field is not None and field.is_repeated else None


def _reader(paths: list[str]) -> Callable[[Message], Iterable[str]]:
    """What reads the values at some places of a message."""
    lists = [path for path in paths if path.endswith("_ids")]
    single = [path for path in paths if path not in lists]
    if lists:
        get_lists = [attrgetter(path) for path in lists]
        read_single = _reader(single)
        return lambda message: [*read_single(message), *(one for get in get_lists for one in get(message))]
    if not single:
        return lambda message: ()
    if len(single) == 1:
        get_one = attrgetter(single[0])
        return lambda message: (get_one(message),)
    return attrgetter(*single)
