"""earn-bulk: BulkRecordActivities of 500, 4 in flight, three workers, two units, new and known members.

The reference writes the same rows into the same tables with pgbench: for each activity one plain transaction with the
activity, its lot, two balances, two entries and a journal row, of the sizes that ours have.
"""

from functools import partial
from itertools import islice

import asyncpg

from tessera.points.v1 import points_service_pb2
from tests.bench.activities import requests
from tests.bench.bulk import WORKERS, Bulk, channels_to
from tests.bench.machine import Machine, check_booked
from tests.bench.pgbench import PREPARED, prepared_note, transactions_per_s
from tests.bench.population import ACCOUNT_BIT, DOCUMENTS, ID_PREFIX, MEMBERS, ROUTING_FACTOR, fill_points, publish
from tests.bench.process import service
from tests.bench.result import Result, in_turns

ITEMS = 500
CALLS = 800
CLIENTS = 32
SECONDS = 3.0
TARGET = 4.0

_PLAIN = """
\\set number random(0, {last_member})
\\set routing (:number * {routing_factor}) & 65535
\\set partition :routing & {mask}
\\set tail :number * 65536 + :routing
BEGIN;
INSERT INTO activities
    (partition, activity_id, natural_key, member_id, effective_at, fingerprint, body, answer, lines, reversed_at)
VALUES
    (:partition, gen_random_uuid(), gen_random_uuid(), {member}, now(),
     '\\x{fingerprint}', '\\x{body}', '\\x{answer}', 1, NULL);
INSERT INTO lots
    (partition, member_id, lot_id, unit, amount, remaining, held, expired, available_at, expires_at, funder, source_id,
     account_id, slides, origin_lot, merchant)
VALUES
    (:partition, {member}, gen_random_uuid(), 'points', 10, 10, 0, 0, now(), now() + interval '60 days', 'platform',
     gen_random_uuid(), {account}, false, NULL, NULL);
INSERT INTO balances
    (partition, member_id, unit, balance, debt, slides_to)
VALUES
    (:partition, {member}, 'points', 10, 0, NULL),
    (:partition, {member}, 'score', 1000, 0, NULL)
ON CONFLICT (partition, member_id, unit) DO UPDATE
SET balance = balances.balance + EXCLUDED.balance;
INSERT INTO entries
    (partition, member_id, position, ordinal, unit, kind, amount, balance_after, counterparty, effective_at,
     recorded_at, account_id, source_id, level)
VALUES
    (:partition, {member}, nextval('bench_positions'), 1, 'points', 1, 10, 10, 'funder.platform', now(), now(),
     {account}, gen_random_uuid(), ''),
    (:partition, {member}, nextval('bench_positions'), 2, 'score', 1, 1000, 1000, 'funder.platform', now(), now(),
     {account}, gen_random_uuid(), '');
INSERT INTO journal
    (partition, position, recorded_at, payload, chain_hash)
VALUES
    (:partition, nextval('bench_positions'), now(), '\\x{payload}', '\\x{chain_hash}');
COMMIT;
"""


async def measure(machine: Machine) -> list[Result]:
    """Items a second, ours and plain."""
    dsn = await machine.database("points", fill_points)
    plain_dsn = await machine.database("points", fill_points)
    async with (
        service(machine, "points", dsn, workers=WORKERS) as process,
        process.client() as client,
        channels_to(process) as channels,
    ):
        await publish(client, "points", *DOCUMENTS)
        machine.say("preparing requests")
        method = "tessera.points.v1.PointsService/BulkRecordActivities"
        bulk = Bulk(channels, method, machine.token, _messages(), ITEMS, count_recorded)
        machine.say("calling")
        script = ""

        async def plain(protocol: str | None = None) -> float:
            nonlocal script
            script = script or await _plain_script(machine, dsn, plain_dsn)
            return await transactions_per_s(
                machine, plain_dsn, {"earn": script}, clients=CLIENTS, seconds=SECONDS, protocol=protocol
            )

        ours, reference, prepared = await in_turns(bulk.items_per_s, plain, partial(plain, PREPARED))
    await check_booked(dsn, "activities", bulk.sent * ITEMS)
    note = f"{bulk.note(ours)}; {prepared_note(ours, prepared)}"
    return [Result("earn-bulk", ours, reference, TARGET, "items/s", note)]


def _messages() -> list[bytes]:
    items = requests("bulk", CALLS * ITEMS)
    return [
        points_service_pb2.BulkRecordActivitiesRequest(requests=islice(items, ITEMS)).SerializeToString()
        for _ in range(CALLS)
    ]


def count_recorded(answer: bytes) -> int:
    """How many items of an answer were recorded."""
    results = points_service_pb2.BulkRecordActivitiesResponse.FromString(answer).results
    return sum(result.HasField("response") for result in results)


async def _plain_script(machine: Machine, dsn: str, plain_dsn: str) -> str:
    """The plain transaction, with contents as long as those of the activities that are booked in `dsn`."""
    connection = await asyncpg.connect(dsn)
    try:
        activity = await connection.fetchrow("SELECT fingerprint, body, answer FROM activities LIMIT 1")
        payload_bytes = await connection.fetchval(
            "SELECT sum(length(payload)) / (SELECT count(*) FROM activities) FROM journal"
        )
        assert activity is not None
    finally:
        await connection.close()
    connection = await asyncpg.connect(plain_dsn)
    try:
        await connection.execute("CREATE SEQUENCE bench_positions CACHE 100")
    finally:
        await connection.close()
    return _PLAIN.format(
        last_member=MEMBERS - 1,
        routing_factor=ROUTING_FACTOR,
        mask=machine.partitions - 1,
        member=_id(":tail"),
        account=_id(f"(:tail + {ACCOUNT_BIT})"),
        **{name: bytes(value).hex() for name, value in activity.items()},
        payload=bytes(int(payload_bytes)).hex(),
        chain_hash=bytes(32).hex(),
    )


def _id(tail: str) -> str:
    """SQL for the ID whose last 48 bits are a number."""
    return f"('{ID_PREFIX}' || lpad(to_hex({tail}::bigint), 12, '0'))::uuid"
