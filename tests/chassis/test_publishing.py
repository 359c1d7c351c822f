"""Configuration is published whole, with history: documents, versions, mistakes, repetitions."""

import asyncio

from grpc import StatusCode

from services.chassis.errors import FieldViolation
from tessera.config.v1 import config_service_pb2 as pb
from tessera.events.v1 import event_feed_pb2, journal_pb2
from tests.chassis.edge import refusal
from tests.chassis.house import connection_to, held, ledger_suite
from tests.chassis.publishing import document, in_force, publish, setting

Action = pb.DocumentChange


async def test_documents_of_the_same_name_are_replaced_and_others_stay() -> None:
    async with ledger_suite() as suite:
        first = await publish(suite, setting("a", 1), setting("b", 1))
        second = await publish(suite, setting("b", 2), setting("c", 2))
        assert (first.version, second.version) == (1, 2)
        assert [(change.action, change.after.code) for change in second.changes] == [
            (Action.ACTION_UPDATED, "b"),
            (Action.ACTION_CREATED, "c"),
        ]
        assert (second.changes[0].before.spec["value"], second.changes[0].after.spec["value"]) == (1, 2)
        assert await in_force(suite) == {"a": 1, "b": 2, "c": 2}
        assert await in_force(suite, version=1) == {"a": 1, "b": 1}


async def test_a_complete_set_removes_what_its_programmes_had_beside_it() -> None:
    async with ledger_suite() as suite:
        await publish(suite, setting("a", 1), setting("b", 1), setting("x", 1, "travel"))
        published = await publish(suite, setting("b", 1), complete=True)
        assert [(change.action, change.before.code) for change in published.changes] == [(Action.ACTION_REMOVED, "a")]
        assert await in_force(suite) == {"b": 1, "x": 1}
        assert await in_force(suite, programme="travel") == {"x": 1}


async def test_publishing_what_is_there_already_makes_no_version() -> None:
    async with ledger_suite() as suite:
        await publish(suite, setting("a", 1))
        again = await publish(suite, setting("a", 1), complete=True)
        assert (again.version, list(again.changes)) == (1, [])
        assert [version.version for version in (await versions(suite)).versions] == [1]


async def test_a_dry_run_tells_what_would_change_and_changes_nothing() -> None:
    async with ledger_suite() as suite:
        await publish(suite, setting("a", 1))
        dry = await publish(suite, setting("a", 2), request_id="r", validate_only=True)
        assert [change.action for change in dry.changes] == [Action.ACTION_UPDATED]
        refused = await refusal(publish(suite, setting("a", "two"), validate_only=True))
        assert refused.reason == "DOCUMENT_INVALID"
        assert await in_force(suite) == {"a": 1}
        assert (await publish(suite, setting("a", 3), request_id="r")).version == 2, "the dry run used up the id"


async def test_a_restored_version_is_a_new_version() -> None:
    async with ledger_suite() as suite:
        await publish(suite, setting("a", 1))
        await publish(suite, setting("a", 2), setting("b", 2))
        config = suite.config("ledger")
        dry = await config.RestoreVersion(pb.RestoreVersionRequest(request_id="d", version=1, validate_only=True))
        assert len(dry.changes) == 2
        restored = await config.RestoreVersion(pb.RestoreVersionRequest(request_id="r", version=1))
        assert restored.version == 3
        assert await in_force(suite) == {"a": 1}
        assert await in_force(suite, version=2) == {"a": 2, "b": 2}
        emptied = await config.RestoreVersion(pb.RestoreVersionRequest(request_id="s", version=0))
        assert emptied.version == 4
        assert await in_force(suite) == {}


async def test_a_version_that_never_was_is_unknown() -> None:
    async with ledger_suite() as suite:
        await publish(suite, setting("a", 1))
        config = suite.config("ledger")
        for call in (
            config.RestoreVersion(pb.RestoreVersionRequest(request_id="r", version=2)),
            config.ListDocuments(pb.ListDocumentsRequest(version=2)),
        ):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == (StatusCode.NOT_FOUND, "VERSION_UNKNOWN")
            assert refused.metadata == {"version": "2", "newest": "1"}


async def versions(suite: object, **page: object) -> pb.ListVersionsResponse:
    listed: pb.ListVersionsResponse = await suite.config("ledger").ListVersions(pb.ListVersionsRequest(**page))
    return listed


async def test_versions_are_listed_newest_first_page_by_page() -> None:
    async with ledger_suite() as suite:
        for value in range(1, 6):
            await publish(suite, setting("a", value))
        pages, token = [], ""
        while True:
            page = await versions(suite, page_size=2, page_token=token)
            pages.append([version.version for version in page.versions])
            assert {version.caller for version in page.versions} == {"operator"}
            token = page.next_page_token
            if not token:
                break
        assert pages == [[5, 4], [3, 2], [1]]
        stale = await refusal(suite.config("ledger").ListVersions(pb.ListVersionsRequest(page_token="nonsense")))
        assert stale.reason == "PAGE_TOKEN_INVALID"


async def test_unknown_names_in_expressions_are_refused_with_their_place() -> None:
    async with ledger_suite() as suite:
        refused = await refusal(
            publish(
                suite,
                setting("a", 1, condition="amount > 0 &&\n  amuont < 5"),
                setting("b", 1, condition="amount"),
                setting("c", 1, condition="amount > 0"),
                setting("d", 1, condition="account == 7"),
            )
        )
        assert await in_force(suite) == {}
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "EXPRESSION_INVALID")
    assert set(refused.violations) == {"setting/a.condition", "setting/b.condition", "setting/d.condition"}
    assert refused.violations["setting/a.condition"].startswith("line 2, column 3: undeclared reference to 'amuont'")
    assert refused.violations["setting/b.condition"] == "line 1, column 1: is neither true nor false"
    assert "no matching overload" in refused.violations["setting/d.condition"]


async def test_all_mistakes_in_all_documents_are_told_together() -> None:
    async with ledger_suite() as suite:
        refused = await refusal(
            publish(
                suite,
                setting("a", "one", colour="red"),
                document("setting", "b"),
                document("sitting", "c", value=1),
                document("calendar", "d", zone=5),
            )
        )
        malformed = await refusal(
            publish(suite, setting("a", 0.5), setting("b", 1e300), setting("c", 1), setting("c", 2))
        )
    assert refused.reason == malformed.reason == "DOCUMENT_INVALID"
    assert set(refused.violations) == {
        "setting/a.value",
        "setting/a.colour",
        "setting/b.value",
        "sitting/c",
        "calendar/d.zone",
    }
    assert set(malformed.violations) == {"setting/a.value", "setting/b.value", "setting/c"}
    assert malformed.violations["setting/c"] == FieldViolation("setting/c", "is given twice").description


async def test_a_repeated_request_gets_the_first_answer() -> None:
    async with ledger_suite() as suite:
        first = await publish(suite, setting("a", 1), request_id="r")
        await publish(suite, setting("a", 2))
        assert await publish(suite, setting("a", 1), request_id="r") == first
        reused = await refusal(publish(suite, setting("a", 3), request_id="r"))
        assert (reused.code, reused.reason) == (StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        assert await in_force(suite) == {"a": 2}


async def test_the_first_answer_comes_also_when_it_could_not_be_published_now() -> None:
    async with ledger_suite() as suite:
        first = await publish(suite, setting("a", 1), request_id="r")
        async with connection_to(suite.dsns["ledger"]) as connection:
            await connection.execute("UPDATE config_documents SET kind = 'of-another-age' WHERE code = 'a'")
        assert await publish(suite, setting("a", 1), request_id="r") == first


async def test_who_publishes_at_the_same_time_starts_over_and_loses_nothing() -> None:
    async with ledger_suite() as suite:
        published = await asyncio.gather(*(publish(suite, setting(code, 1)) for code in "abcdefgh"))
        assert sorted(answer.version for answer in published) == list(range(1, 9))
        assert await in_force(suite) == dict.fromkeys("abcdefgh", 1)


async def test_twins_at_the_same_time_publish_once() -> None:
    async with ledger_suite() as suite:
        published = await asyncio.gather(*(publish(suite, setting("a", 1), request_id="r") for _ in range(8)))
        assert all(answer == published[0] for answer in published)
        assert [version.version for version in (await versions(suite)).versions] == [1]


async def test_who_gives_up_while_publishing_leaves_nothing_half_done() -> None:
    async with ledger_suite() as suite:
        async with held(suite.dsns["ledger"], partition=5):
            refused = await refusal(publish(suite, setting("a", 1), timeout=0.2))
            assert refused.code is StatusCode.DEADLINE_EXCEEDED
        assert (await publish(suite, setting("a", 2))).version == 1
        assert await in_force(suite) == {"a": 2}


async def test_a_version_is_a_record_of_the_system_partition() -> None:
    async with ledger_suite() as suite:
        published = await publish(suite, setting("a", 1))
        request = event_feed_pb2.ReadRequest(cursors=[event_feed_pb2.Cursor(partition=-1)])
        (record,) = (await suite.feed("ledger").Read(request)).records
        journal = journal_pb2.Journal.FromString(record.payload)
        assert (journal.published_version, list(journal.events)) == (1, [])
        assert (published.position.partition, published.position.position) == (-1, record.position)
