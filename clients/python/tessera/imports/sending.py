"""Enrolling and linking what a comparison has planned."""

from typing import Any

from tessera.errors import Error
from tessera.identity.v1 import identifier_pb2
from tessera.identity.v1 import identity_service_pb2 as pb
from tessera.imports.calls import Calls, IdentifierItem, Item, Told
from tessera.imports.columns import EXTERNAL_ID
from tessera.imports.refusals import Reason, Refusal
from tessera.imports.state import Fate, IdentifierFate, Phase, RequestIds, State


async def send(calls: Calls, tell_enrolled: Told, tell_linked: Told, tell_added: Told) -> None:
    """Enrols who leads a person, then links the others, then adds what they are known by."""
    with calls.state.changing():
        calls.state.enter(Phase.SENDING)
    ids = calls.state.request_ids()
    await calls.send(
        (Fate.TO_ENROL,), "BulkResolveAccounts", lambda items: _enrolments(items, ids), _note_enrolled, tell_enrolled
    )
    with calls.state.changing():
        _refuse_followers(calls.state)
    await calls.send((Fate.TO_LINK,), "BulkLinkAccounts", lambda items: _links(items, ids), _note_linked, tell_linked)
    await calls.send_identifiers(lambda items: _additions(items, ids), _note_added, tell_added)
    with calls.state.changing():
        calls.state.enter(Phase.CHECKING)


def _enrolments(items: list[Item], ids: RequestIds) -> pb.BulkResolveAccountsRequest:
    return pb.BulkResolveAccountsRequest(
        requests=[
            pb.ResolveAccountRequest(
                request_id=ids.of(planned.content),
                domain=row.domain,
                external_id=row.external_id,
                verified=row.verified,
                attributes=row.attributes,
                create_missing=True,
            )
            for planned, row in items
        ]
    )


def _links(items: list[Item], ids: RequestIds) -> pb.BulkLinkAccountsRequest:
    return pb.BulkLinkAccountsRequest(
        requests=[
            pb.LinkAccountRequest(
                request_id=ids.of(planned.content),
                member_id=planned.member_id or "",
                domain=row.domain,
                external_id=row.external_id,
                verified=row.verified,
            )
            for planned, row in items
        ]
    )


def _additions(items: list[IdentifierItem], ids: RequestIds) -> identifier_pb2.BulkAddIdentifiersRequest:
    return identifier_pb2.BulkAddIdentifiersRequest(
        requests=[
            identifier_pb2.AddIdentifierRequest(
                request_id=ids.of(planned.content),
                member_id=planned.member_id,
                type=planned.type,
                value=identifier.value,
                verified=identifier.verified,
            )
            for planned, identifier in items
        ]
    )


def _note_added(state: State, items: list[IdentifierItem], found: list[Any]) -> None:
    state.settle_identifiers(
        (*_fate(answer), item.planned.number, item.planned.type) for item, answer in zip(items, found, strict=True)
    )


def _fate(answer: Any) -> tuple[IdentifierFate, str]:
    if isinstance(answer, Error):
        return IdentifierFate.REFUSED, answer.reason
    return (IdentifierFate.ADDED if answer.created else IdentifierFate.SEEN), ""


def _note_enrolled(state: State, items: list[Item], found: list[Any]) -> None:
    _note(state, items, found, Fate.ENROLLED)


def _note_linked(state: State, items: list[Item], found: list[Any]) -> None:
    _note(state, items, found, Fate.LINKED)


def _note(state: State, items: list[Item], found: list[Any], done: Fate) -> None:
    answers = [(item.planned.number, answer) for item, answer in zip(items, found, strict=True)]
    state.settle(
        (done if answer.created else Fate.KNOWN, _member_id(answer), number)
        for number, answer in answers
        if not isinstance(answer, Error)
    )
    state.refuse((number, _refusal(answer)) for number, answer in answers if isinstance(answer, Error))


def _member_id(answer: Any) -> str:
    member_id: str = answer.account.member_id if isinstance(answer, pb.LinkAccountResponse) else answer.member_id
    return member_id


def _refusal(error: Error) -> Refusal:
    """A field that the service finds malformed is named by its column, whose names are the same."""
    column = error.violations[0].field.split(".")[0].split("[")[0] if error.violations else EXTERNAL_ID
    return Refusal(column, error.reason)


def _refuse_followers(state: State) -> None:
    """Who cannot be linked, because the row that was to enrol its member was refused."""
    state.run(
        """UPDATE rows SET fate = :refused, refused_column = 'person', reason = :reason
           WHERE fate = :to_link AND member_id IS NULL AND lead IN (SELECT number FROM rows WHERE fate = :refused)""",
        {"refused": Fate.REFUSED, "to_link": Fate.TO_LINK, "reason": Reason.PERSON_REFUSED},
    )
