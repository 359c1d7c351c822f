"""The audit trail over RPC: listed, and proved."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from hmac import compare_digest

import asyncpg

from services.chassis.audit.links import Head, Link, Record, decode, what_is_wrong
from services.chassis.audit.queries import links_after, links_up_to, read_head
from services.chassis.clock import EPOCH, to_microseconds
from services.chassis.instants import timestamp
from services.chassis.paging import PageTokens
from services.chassis.rpc import Call
from tessera.audit.v1 import audit_service_pb2 as pb

LINKS_A_STEP = 200
LINKS_A_PAGE = 2_000
"""Links that one call looks through at most."""
DEFAULT_RECORDS = 100

LongReads = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


class AuditServicer:
    """Serves `tessera.audit.v1.AuditService` for any service."""

    def __init__(self, pool: asyncpg.Pool, long_reads: LongReads, tokens: PageTokens, key: bytes) -> None:
        self._pool = pool
        self._long_reads = long_reads
        self._tokens = tokens
        self._key = key

    async def ListAuditRecords(  # the contract's name
        self, request: pb.ListAuditRecordsRequest, call: Call
    ) -> pb.ListAuditRecordsResponse:
        """Newest first: the links are looked through backwards, each from its last record to its first one."""
        token = self._tokens.decode(request.page_token, call.method, call.caller.name, request)
        head = await read_head(self._pool)
        number, skipped = (int(token[0]), int(token[1])) if token else (head.number, 0)
        size = request.page_size or DEFAULT_RECORDS
        answer = pb.ListAuditRecordsResponse()
        async for link in _backwards(self._pool, number):
            if request.HasField("since") and to_microseconds(link.recorded_at) < request.since.ToMicroseconds():
                return answer
            if number - link.number >= LINKS_A_PAGE:
                answer.next_page_token = self._tokens.encode(call.method, call.caller.name, request, (link.number, 0))
                return answer
            records = list(decode(link.payload))[::-1]
            for place in range(skipped if link.number == number else 0, len(records)):
                if len(answer.records) == size:
                    cursor = (link.number, place)
                    answer.next_page_token = self._tokens.encode(call.method, call.caller.name, request, cursor)
                    return answer
                if _is_asked_for(records[place], request):
                    answer.records.append(_shown(records[place], link.number))
        return answer

    async def VerifyAudit(  # the contract's name
        self, request: pb.VerifyAuditRequest, call: Call
    ) -> AsyncGenerator[pb.VerifyAuditResponse, None]:
        """From the first link that is kept to the last one, as they are at one instant."""
        async with self._long_reads() as connection, connection.transaction(isolation="repeatable_read"):
            head = await read_head(connection)
            last: Head | Link = head._replace(number=head.kept_after, chain_hash=head.kept_hash)
            records = 0
            finding = ""
            while not finding and (links := await links_after(connection, last.number, LINKS_A_STEP)):
                for link in links:
                    finding = what_is_wrong(self._key, last, link) or _not_known(request, link)
                    if finding:
                        break
                    last = link
                    records += sum(1 for _ in decode(link.payload))
                yield _reached(last, head, records)
            finding = finding or _not_the_head(last, head) or _cut_off(request, head)
            yield _reached(last, head, records, finding)


async def _backwards(pool: asyncpg.Pool, number: int) -> AsyncIterator[Link]:
    while links := await links_up_to(pool, number, LINKS_A_STEP):
        for link in links:
            yield link
        number = links[-1].number - 1


def _is_asked_for(record: Record, request: pb.ListAuditRecordsRequest) -> bool:
    return (
        request.caller in ("", record.caller)
        and request.method in ("", record.method)
        and (not request.subject or request.subject in record.subjects.split(" "))
        and (record.is_refused or not request.refused)
        and (not request.HasField("since") or record.at_us >= request.since.ToMicroseconds())
        and (not request.HasField("until") or record.at_us < request.until.ToMicroseconds())
    )


def _shown(record: Record, link: int) -> pb.AuditRecord:
    return pb.AuditRecord(
        link=link,
        at=timestamp(EPOCH + timedelta(microseconds=record.at_us)),
        caller=record.caller,
        proof=record.proof,
        method=record.method,
        subjects=record.subjects.split(),
        code=record.code,
        reason=record.reason,
        items=record.items,
        refused_items=record.refused_items,
        trace_id=record.trace_id.hex(),
    )


def _reached(last: Head | Link, head: Head, records: int, finding: str = "") -> pb.VerifyAuditResponse:
    return pb.VerifyAuditResponse(
        link=last.number,
        hash=last.chain_hash,
        head=head.number,
        records=records,
        finding=finding,
        first=head.kept_after + 1,
    )


def _not_known(request: pb.VerifyAuditRequest, link: Link) -> str:
    if request.known_link == link.number and not compare_digest(request.known_hash, link.chain_hash):
        return f"link {link.number} is not the one that was seen before"
    return ""


def _not_the_head(last: Head | Link, head: Head) -> str:
    if last.number != head.number:
        return f"link {last.number + 1} is missing: the trail ends with link {head.number}"
    return "" if last.chain_hash == head.chain_hash else f"link {last.number} is not the one that the trail ends with"


def _cut_off(request: pb.VerifyAuditRequest, head: Head) -> str:
    if request.known_link > head.number:
        return f"link {request.known_link} is missing: it was seen before, the trail ends with link {head.number}"
    return ""
