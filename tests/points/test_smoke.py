"""A first walk through the points service."""
from datetime import UTC, datetime, timedelta
import uuid
import pytest
from services.chassis import ids
from services.chassis.feed_batch import FeedBatch, FollowedRecord
from services.points.events import AccountHeard, MemberHeard
from services.chassis.instants import timestamp
from tests.support.suite import start_suite
from tessera.points.v1 import points_service_pb2 as pb, activity_pb2 as apb

DOCS = [
 {"kind":"programme","code":"shop","programme":"shop","spec":{"name":"Shop","time_zone":"Asia/Shanghai","currency":"CNY"}},
 {"kind":"unit","code":"points","programme":"shop","spec":{"name":"P","kind":"spendable","expiry":{"policy":"end-of-month","months":1}}},
 {"kind":"unit","code":"score","programme":"shop","spec":{"name":"S","kind":"qualifying"}},
 {"kind":"earn-rule","code":"base","programme":"shop","spec":{"unit":"points","rate":"0.01"}},
 {"kind":"earn-rule","code":"sc","programme":"shop","spec":{"unit":"score","rate":"1"}},
]

async def test_walk():
    async with start_suite("points") as suite:
        print((await suite.publish("points", *DOCS)).version)
        m = ids.new_id(5); a = ids.derived(m, 1)
        import services.points.definition as d
        # feed
        from services.chassis import app
        lanes = suite.running["points"]
        rec = FollowedRecord(1, [MemberHeard(m, 1), AccountHeard(a, m, "fuel", True)])
        ok = await suite.lanes("points").submit([FeedBatch("identity", 5, [rec])])
        print(ok)
        ms, as_ = ids.encode("member", m), ids.encode("account", a)
        def req(n, cash=1000):
            return pb.RecordActivityRequest(request_id=f"r{n}", activity=apb.Activity(member_id=ms, account_id=as_, domain="fuel", type="purchase", reference=f"o{n}", occurred_at=timestamp(datetime(2026,1,1,tzinfo=UTC)), lines=[apb.ActivityLine(sku="x", cash_minor=cash)]))
        r = await suite.points.RecordActivity(req(1, 12345))
        print(r)
        r2 = await suite.points.RecordActivity(req(1, 12345))
        assert r == r2
        b = await suite.points.BulkRecordActivities(pb.BulkRecordActivitiesRequest(requests=[req(i) for i in range(2, 500)]))
        assert all(x.HasField("response") for x in b.results), b.results[0]
        print(await suite.points.GetBalance(pb.GetBalanceRequest(member_id=ms)))
        s = await suite.points.Spend(pb.SpendRequest(request_id="s1", member_id=ms, account_id=as_, domain="fuel", unit="points", amount=200))
        print(s.balance_after, len(s.lots))
        f = await suite.points.RefundSpend(pb.RefundSpendRequest(request_id="f1", spend_id=s.spend_id, amount=50))
        print(f.balance_after)
        h = await suite.points.Hold(pb.HoldRequest(request_id="h1", member_id=ms, account_id=as_, domain="fuel", unit="points", amount=100, expires_at=timestamp(datetime(2026,1,2,tzinfo=UTC))))
        c = await suite.points.CaptureHold(pb.CaptureHoldRequest(request_id="c1", hold_id=h.hold_id, amount=60))
        print(c)
        rv = await suite.points.ReverseActivity(pb.ReverseActivityRequest(request_id="v1", activity_id=r.activity_id))
        print(rv)
        await suite.advance(datetime(2026,3,1,tzinfo=UTC))
        print(await suite.points.GetBalance(pb.GetBalanceRequest(member_id=ms)))
        e = await suite.points.ListEntries(pb.ListEntriesRequest(member_id=ms, page_size=3)); print(e)
        l = await suite.points.ListLots(pb.ListLotsRequest(member_id=ms, unit="points", page_size=2, include_closed=True)); print(l)
        l = await suite.points.ListLots(pb.ListLotsRequest(member_id=ms, unit="points", page_size=2, include_closed=True, page_token=l.next_page_token))
        print(await suite.points.GetLedgerSummary(pb.GetLedgerSummaryRequest()))
        async for v in suite.points.VerifyLedger(pb.VerifyLedgerRequest()):
            if v.position or v.findings: print(v)
