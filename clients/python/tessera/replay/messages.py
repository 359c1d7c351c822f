"""The year as requests. Request ids follow from what happened, so a day sent again is known and doubles nothing."""

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from tessera.benefits.v1 import benefits_service_pb2
from tessera.grocer import Account, Activity, Campaign, Day, FuelLine, Redemption, Year
from tessera.points.v1 import activity_pb2, points_service_pb2
from tessera.replay.bulk import ITEMS_A_CALL
from tessera.replay.enrolment import Ids

FUEL: Final = "fuel"
UNIT: Final = "points"
FUEL_PRICE_POINTS: Final = 100
HOLD_S: Final = 3600
"""How long points are held for a fuel discount that is not taken."""


class Messages:
    """Makes requests of what happened.

    What a line of a receipt says is serialised once for each distinct line, a fifth of all; an activity's lines are
    then put together as bytes, since serialised messages in a row are their merge.
    """

    def __init__(self, year: Year, ids: Mapping[Account, Ids]) -> None:
        self._ids = ids
        self._members = {account.household: of_account.member_id for account, of_account in ids.items()}
        self._lines = year.spread([_line(*line) for line in year.lines])

    def activities(self, day: Day) -> list[points_service_pb2.BulkRecordActivitiesRequest]:
        """The day's activities in order, in as few calls as can be."""
        bulks = []
        for start in range(0, len(day.activities), ITEMS_A_CALL):
            bulk = points_service_pb2.BulkRecordActivitiesRequest()
            for activity in day.activities[start : start + ITEMS_A_CALL]:
                self._fill(bulk.requests.add(), activity)
            bulks.append(bulk)
        return bulks

    def _fill(self, request: points_service_pb2.RecordActivityRequest, activity: Activity) -> None:
        household, domain, reference, occurred_at_s, lines = activity
        member_id, account_id = self._ids[Account(household, domain)]
        request.request_id = f"grocer/{reference}/{domain}"
        message = request.activity
        message.MergeFromString(b"".join(self._lines[lines]))
        message.member_id = member_id
        message.account_id = account_id
        message.domain = domain
        message.type = "purchase"
        message.reference = reference
        message.occurred_at.seconds = occurred_at_s

    def holds(self, day: Day) -> list[points_service_pb2.HoldRequest]:
        """For each filling of a tank the points of a discount, in order."""
        return [self._hold(filling, day.last_second_s) for filling in day.fuel]

    def _hold(self, filling: FuelLine, now_s: int) -> points_service_pb2.HoldRequest:
        member_id, account_id = self._ids[Account(filling.household, FUEL)]
        return points_service_pb2.HoldRequest(
            request_id=f"grocer/hold/{filling.reference}",
            member_id=member_id,
            account_id=account_id,
            domain=FUEL,
            unit=UNIT,
            amount=FUEL_PRICE_POINTS,
            reference=filling.reference,
            expires_at=Timestamp(seconds=now_s + HOLD_S),
        )

    def issues(self, campaigns: Sequence[Campaign]) -> list[benefits_service_pb2.IssueEntitlementRequest]:
        """One entitlement for each household of each campaign."""
        return [
            benefits_service_pb2.IssueEntitlementRequest(
                request_id=f"grocer/issue/{campaign.code}/{household}",
                member_id=self._members[household],
                benefit=campaign.code,
                reference=campaign.code,
            )
            for campaign in campaigns
            for household in campaign.households
        ]

    def redeems(self, redemptions: Sequence[Redemption]) -> list[benefits_service_pb2.RedeemRequest]:
        """The coupons handed in."""
        return [self._redeem(redemption) for redemption in redemptions]

    def _redeem(self, redemption: Redemption) -> benefits_service_pb2.RedeemRequest:
        member_id, account_id = self._ids[Account(redemption.household, redemption.domain)]
        reference = f"{redemption.coupon}/{redemption.day:%Y-%m-%d}"
        return benefits_service_pb2.RedeemRequest(
            request_id=f"grocer/redeem/{redemption.campaign}/{redemption.household}/{reference}",
            member_id=member_id,
            benefit=redemption.campaign,
            domain=redemption.domain,
            account_id=account_id,
            reference=reference,
        )


def captures(filled: Sequence[tuple[FuelLine, str]]) -> list[points_service_pb2.CaptureHoldRequest]:
    """Takes the discounts for which points are held."""
    return [
        points_service_pb2.CaptureHoldRequest(request_id=f"grocer/capture/{filling.reference}", hold_id=hold_id)
        for filling, hold_id in filled
    ]


def _line(
    sku: str, category: str, merchant: str, quantity: int, gross_minor: int, discount_minor: int, paid_minor: int
) -> bytes:
    """A line as a part of its activity."""
    line = activity_pb2.ActivityLine(
        sku=sku,
        category=category,
        merchant=merchant,
        quantity=quantity,
        gross_minor=gross_minor,
        discount_minor=discount_minor,
        cash_minor=paid_minor,
    )
    return activity_pb2.Activity(lines=[line]).SerializeToString()
