"""Bad input, method by method and field by field: a documented reason with its figures, and nothing is booked."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from grpc import StatusCode

from services.points.tables import METADATA
from tests.points import builders
from tests.points.bad_input import BY_FIELD, MAX, OF_METHODS, WITHOUT_ROWS, Bad
from tests.points.builders import Refusal, Shop, open_shop, outcome, refusal_in, refusal_of, request_id
from tests.points.good_requests import CONVERSION, DOCUMENTS, GOOD, Given, Mutation, mutations, paths

CONTRACT = Path(__file__).parents[2] / "protos" / "tessera" / "points" / "v1" / "points_service.proto"
NOT_BOOKED = {"requests", "journal", "head", "audit", "audit_head"}
"""A refusal is kept for those who ask again, and is in the chain."""
MUTATIONS = mutations()
OF_NO_DOMAIN = {"Forfeit", "SettlePartnerConversion"}
"""What those do who run the programme."""
BULK = [mutation for mutation in MUTATIONS if mutation.bulk]


@asynccontextmanager
async def open_house(domain: str = "fuel") -> AsyncIterator[Given]:
    """A shop with two members, one of them with plenty of everything."""
    async with open_shop(*DOCUMENTS, at="2026-01-20 12:00") as shop:
        given = Given(shop, await shop.enrol(domain, routing=1), await shop.enrol(domain, routing=1))
        await shop.open_account_at_partner(given.member)
        for _ in range(2):
            await shop.earn(given.member, 10_000)
        yield given


def rows_of(mutation: Mutation) -> Iterator[tuple[str, Bad]]:
    """Each field of a method's request with each value that it must not have."""
    own = OF_METHODS.get(mutation.name, {})
    for path in paths(mutation.request()):
        for bad in own.get(path, BY_FIELD.get(path, [])):
            yield path, bad


def spoilt(request: Any, path: str, value: Any) -> Any:
    """A request with another value in one field, under a request id of its own; nothing else is changed."""
    message = type(request)()
    message.CopyFrom(request)
    message.request_id = request_id()
    *before, name = re.split(r"\.", path)
    inner = message
    for part in before:
        inner = getattr(inner, part.removesuffix("[0]"))
        if part.endswith("[0]"):
            inner = inner[0]
    if value is None:
        inner.ClearField(name)
    elif isinstance(value, tuple):
        getattr(inner, name).seconds, getattr(inner, name).nanos = value
    elif isinstance(value, list):
        inner.ClearField(name)
        getattr(inner, name).extend(type(getattr(inner, name).add())(**item) for item in value)
        inner.SetInParent()
    elif isinstance(value, dict):
        getattr(inner, name).update(value)
    else:
        setattr(inner, name, value)
    return message


def differs(refusal: Refusal, path: str, bad: Bad) -> bool:
    """Whether a refusal is another one than the row says."""
    fields = (bad.field or path,) if bad.reason == "INVALID_REQUEST" else ()
    figures = {name: refusal.metadata.get(name) for name in bad.figures}
    return (refusal.code, refusal.reason, refusal.fields, figures) != (bad.code, bad.reason, fields, bad.figures)


async def booked(shop: Shop) -> Any:
    """All rows of all tables."""
    pool = shop.suite.running["points"].platform.pool
    tables = [name for name in METADATA.tables if name not in NOT_BOOKED]
    digests = [f"SELECT '{name}', md5(string_agg(t::text, '' ORDER BY t::text)) FROM {name} t" for name in tables]
    return await pool.fetch(" UNION ALL ".join(digests))


def test_every_field_of_every_method_that_changes_something_has_rows() -> None:
    assert {mutation.name for mutation in MUTATIONS} == set(GOOD)
    fields = {path for mutation in MUTATIONS for path in paths(mutation.request())}
    assert fields == set(BY_FIELD) | WITHOUT_ROWS


async def test_bad_input_is_refused_with_its_reason_and_books_nothing() -> None:
    wrong = []
    async with open_house() as given:
        for mutation in MUTATIONS:
            good = await GOOD[mutation.name](given)
            before = await booked(given.shop)
            for path, bad in rows_of(mutation):
                try:
                    refusal = await refusal_of(getattr(given.shop.points, mutation.name)(spoilt(good, path, bad.value)))
                except AssertionError as accepted:
                    wrong.append((mutation.name, path, bad.value, str(accepted)[:100]))
                else:
                    if differs(refusal, path, bad):
                        wrong.append((mutation.name, path, bad, refusal))
            if await booked(given.shop) != before:
                wrong.append((mutation.name, "booked something"))
            if refused := await outcome(getattr(given.shop.points, mutation.name)(good)):
                wrong.append((mutation.name, "good", refused))
        assert wrong == []
        assert await given.shop.findings() == []


async def test_bad_items_of_a_bulk_call_are_refused_alone_and_all_their_neighbours_are_booked() -> None:
    async with open_house() as given:
        for mutation in BULK:
            rows = [*rows_of(mutation)]
            good = [await GOOD[mutation.name](given) for _ in rows]
            bad = [spoilt(request, path, row.value) for request, (path, row) in zip(good, rows, strict=True)]
            items = [item for pair in zip(bad, good, strict=True) for item in pair]
            results = await in_bulk(given.shop, mutation, items)
            assert [refusal_in(result.error) for result in results[1::2] if result.HasField("error")] == []
            refusals = [refusal_in(result.error) for result in results[::2]]
            assert [(row, r) for row, r in zip(rows, refusals, strict=True) if differs(r, *row)] == []
        assert await given.shop.findings() == []


async def in_bulk(shop: Shop, mutation: Mutation, items: list[Any]) -> Any:
    """The results of a bulk call."""
    assert mutation.bulk is not None
    request = mutation.bulk.input_type._concrete_class(requests=items)
    return (await getattr(shop.points, mutation.bulk.name)(request)).results


async def test_a_bulk_call_of_no_items_or_of_1001_is_refused_as_a_whole() -> None:
    async with open_house() as given:
        for mutation in BULK:
            good, before = await GOOD[mutation.name](given), await booked(given.shop)
            for count in (0, 1001):
                refusal = await refusal_of(in_bulk(given.shop, mutation, [good] * count))
                assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ("requests",)), mutation.name
            assert await booked(given.shop) == before


async def test_the_same_request_id_in_one_bulk_call_is_the_same_request_or_refused() -> None:
    async with open_house() as given:
        for mutation in BULK:
            one, other = [await GOOD[mutation.name](given) for _ in range(2)]
            other.request_id = one.request_id
            first, twin, reused = await in_bulk(given.shop, mutation, [one, one, other])
            assert first.HasField("response"), mutation.name
            assert twin == first, mutation.name
            assert refusal_in(reused.error).reason == "REQUEST_ID_REUSED", mutation.name


async def test_a_request_id_is_not_used_for_another_request_and_a_dry_run_books_nothing() -> None:
    async with open_house() as given:
        for mutation in MUTATIONS:
            call = getattr(given.shop.points, mutation.name)
            good, other = [await GOOD[mutation.name](given) for _ in range(2)]
            before = await booked(given.shop)
            await call(spoilt(good, "validate_only", True))
            assert await booked(given.shop) == before, mutation.name
            answer = await call(good)
            assert await call(good) == answer, mutation.name
            other.request_id = good.request_id
            assert (await refusal_of(call(other))).reason == "REQUEST_ID_REUSED", mutation.name


async def test_the_same_reference_in_one_bulk_call_is_the_same_fact_or_refused() -> None:
    async with open_house() as given:
        for name, path, reason, change in (
            ("RecordActivity", "activity.reference", "ACTIVITY_ALREADY_RECORDED", "activity.currency"),
            ("RefundActivity", "refund.reference", "REFUND_ALREADY_RECORDED", "refund.amount_minor"),
        ):
            mutation = next(mutation for mutation in BULK if mutation.name == name)
            good = await GOOD[name](given)
            twin = spoilt(good, path, getattr(good, path.partition(".")[0]).reference)
            other = spoilt(good, change, "" if change.endswith("currency") else 3)
            results = await in_bulk(given.shop, mutation, [good, twin, other])
            assert results[0] == results[1]
            assert refusal_in(results[2].error).reason == reason


async def test_what_would_bring_a_balance_beyond_64_bits_is_refused_and_books_nothing() -> None:
    async with open_house() as given:
        shop, rich = given.shop, given.friend
        until = await shop.now() + timedelta(days=1)
        spent = await shop.points.Spend(builders.spend(given.member, 10))
        parked = await GOOD["ResolveAdjustment"](given)
        accepted = await GOOD["AcceptGift"](given)
        for unit, member in (("given", rich), ("offered", rich), ("miles", given.member), ("points", given.member)):
            there = (await shop.balance(member, unit)).available + (await shop.balance(member, unit)).pending
            await shop.points.Grant(builders.grant(member, MAX - there, until, unit=unit))
        before = await booked(shop)
        for name, request, unit in (
            ("Grant", builders.grant(given.member, 1), "points"),
            ("Gift", builders.give(given.member, rich, 1, unit="given"), "given"),
            ("AcceptGift", accepted, "offered"),
            ("Convert", builders.convert(given.member, 3, CONVERSION), "miles"),
            ("ResolveAdjustment", parked, "points"),
            ("RefundSpend", builders.refund(spent.spend_id), "points"),
        ):
            refusal = await refusal_of(getattr(shop.points, name)(request))
            figures = {"what": f"the balance of {unit}"}
            assert refusal.reason == "AMOUNT_OUT_OF_RANGE"
            assert refusal.metadata.items() >= figures.items(), name
            assert int(refusal.metadata["balance"]) + int(refusal.metadata["amount"]) > MAX
        refusal = await refusal_of(shop.points.RecordActivity(await GOOD["RecordActivity"](given)))
        assert refusal.reason == "AMOUNT_OUT_OF_RANGE"
        assert await booked(shop) == before
        assert await shop.findings() == []


async def test_each_method_of_a_domain_is_refused_to_who_may_not_act_in_it() -> None:
    async with open_house("travel") as given:
        caller = given.shop.as_caller("fuel")
        for mutation in MUTATIONS:
            good = await GOOD[mutation.name](given)
            if mutation.name in OF_NO_DOMAIN:
                continue
            refusal = await refusal_of(getattr(caller, mutation.name)(good))
            assert (refusal.code, refusal.reason) == (StatusCode.PERMISSION_DENIED, "DOMAIN_NOT_ALLOWED"), mutation.name
            assert refusal.metadata["domain"] == "travel"


def test_each_reason_is_one_that_the_method_documents() -> None:
    methods = re.findall(r"((?:^  //.*\n)+)  rpc (\w+)", CONTRACT.read_text(), re.MULTILINE)
    comments = {name: comment for comment, name in methods}
    for mutation in MUTATIONS:
        reasons = {bad.reason for _, bad in rows_of(mutation)} - {"INVALID_REQUEST"}
        missing = {reason for reason in reasons if reason not in comments[mutation.name]}
        assert missing == set(), mutation.name
