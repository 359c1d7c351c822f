"""What is wrong with single fields of requests, and how each is refused: rows, by field."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from grpc import StatusCode

MAX = (1 << 63) - 1
BROKEN, MISSING, TOO_MUCH = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.FAILED_PRECONDITION
NOTHING = "0" * 26
"""The end of an ID that nothing has."""


class Bad(NamedTuple):
    """A value that a field must not have."""

    value: Any
    """Of a time, its seconds and nanoseconds; None leaves a field out; a list fills a repeated one."""
    reason: str = "INVALID_REQUEST"
    code: StatusCode = BROKEN
    figures: Mapping[str, str] = MappingProxyType({})
    field: str = ""
    """The field that is named, where it is another one."""


def texts(longest: int, *, needed: bool = False, nul: bool = True) -> list[Bad]:
    """A text that is too long, one with NUL, and one that is left out."""
    return [Bad("é" * (longest // 2 + 1)), *[Bad("a\0b")] * nul, *[Bad("")] * needed]


def codes(*, needed: bool = True) -> list[Bad]:
    """What is no code."""
    return [Bad("Upper"), Bad("a" * 64), Bad("1st"), *[Bad("")] * needed]


def unknown(prefix: str, reason: str, name: str = "", nobody: str = NOTHING) -> list[Bad]:
    """What is no ID, an ID of something else, and one that nothing has."""
    missing = f"{prefix}_{nobody}"
    figures = {name or f"{prefix}_id": missing}
    return [Bad("nobody"), Bad(f"thing_{NOTHING}"), Bad(missing[:-1]), Bad(missing, reason, MISSING, figures)]


NOBODY = f"member_{NOTHING}"
IDS_OF_MEMBERS = [bad for bad in unknown("member", "") if bad.value != NOBODY]
"""What is no ID of a member."""
EXPIRY = {"field": "expires_at"}


def outside(least: int, most: int | None = None) -> list[Bad]:
    """Numbers below and above what is allowed."""
    below = [Bad(value) for value in {0, -1, -MAX - 1} if value < least]
    return below if most is None else [*below, Bad(most + 1), Bad(MAX)]


def times(field: str, *, needed: bool = True, limited: bool = False, happened: bool = False) -> list[Bad]:
    """Before 1970, after 9998, no instant at all; where it is `limited`, also what has passed and what is far ahead;
    where something `happened`, also the very beginning of 1970."""
    odd = [(-1, 0), (-62_135_596_801, 0), (253_370_764_800, 0), (1 << 62, 0), (0, -1), (0, 10**9)]
    odd += [(0, 0), (1_830_297_600, 0)] if limited else []
    odd += [(0, 999)] if happened else []
    rows = [Bad(value, "TIME_OUT_OF_RANGE", figures={"field": field}) for value in odd]
    return [*rows, Bad(None)] if needed else rows


AMOUNTS = outside(0, 10**12)
UNITS = [*codes(), Bad("gold", "UNIT_UNKNOWN", figures={"unit": "gold"})]
BY_FIELD: dict[str, Sequence[Bad]] = {
    "request_id": [Bad(""), Bad("r" * 129)],
    "member_id": unknown("member", "MEMBER_UNKNOWN"),
    "to_member_id": unknown("member", "MEMBER_UNKNOWN"),
    "account_id": unknown("account", "ACCOUNT_UNKNOWN"),
    "to_account_id": unknown("account", "ACCOUNT_UNKNOWN"),
    "activity_id": unknown("activity", "ACTIVITY_UNKNOWN"),
    "hold_id": unknown("hold", "HOLD_UNKNOWN"),
    "spend_id": unknown("spend", "SPEND_UNKNOWN"),
    "gift_id": unknown("gift", "GIFT_UNKNOWN"),
    "adjustment_id": unknown("adjustment", "ADJUSTMENT_UNKNOWN"),
    "partner_account_id": unknown("account", "ACCOUNT_UNKNOWN"),
    "partner_conversion_id": unknown("partnerconversion", "PARTNER_CONVERSION_UNKNOWN", "partner_conversion_id"),
    "parked_refund_id": unknown("parkedrefund", "PARKED_REFUND_UNKNOWN", "parked_refund_id"),
    "group_id": [
        *(Bad(text) for text in ("nobody", f"thing_{NOTHING}", f"group_{NOTHING}"[:-1])),
        Bad(f"group_{NOTHING}", "NOT_IN_GROUP", TOO_MUCH, {"group_id": f"group_{NOTHING}"}),
    ],
    "domain": [*codes(), Bad("travel", "ACCOUNT_OF_ANOTHER_DOMAIN")],
    "unit": [
        *UNITS,
        Bad("score", "UNIT_NOT_SPENDABLE", figures={"unit": "score"}),
    ],
    "conversion": [*codes(), Bad("to-gold", "CONVERSION_UNKNOWN", figures={"conversion": "to-gold"})],
    "amount": outside(1),
    "order_minor": AMOUNTS,
    "order_returned_minor": outside(0),
    "reference": texts(128),
    "merchant": texts(64),
    "funder": [*codes(needed=False), Bad("nobody", "FUNDER_UNKNOWN", figures={"funder": "nobody"})],
    "reason": texts(128, needed=True),
    "cause": texts(256, needed=True),
    "by": [Bad(0), Bad(9)],
    "decision": [Bad(0), Bad(9)],
    "resolution": [Bad(0), Bad(9)],
    "expires_at": times("expires_at"),
    "completed_at": times("completed_at", happened=True),
    "effective_at": times("effective_at", needed=False),
    # What happened.
    "activity.member_id": unknown("member", "MEMBER_UNKNOWN"),
    "activity.account_id": unknown("account", "ACCOUNT_UNKNOWN"),
    "activity.domain": [*codes(), Bad("travel", "ACCOUNT_OF_ANOTHER_DOMAIN")],
    "activity.type": codes(),
    "activity.reference": texts(128, needed=True, nul=False),
    "activity.occurred_at": times("activity.occurred_at", happened=True),
    "activity.currency": [
        *(Bad(text) for text in ("cny", "CN", "CNYX", "12A")),
        Bad("USD", "CURRENCY_MISMATCH", figures={"currency": "CNY"}),
    ],
    "activity.lines": [Bad([{}] * 1001)],
    "activity.lines[0].sku": texts(64, nul=False),
    "activity.lines[0].category": texts(128, nul=False),
    "activity.lines[0].merchant": texts(64, nul=False),
    "activity.lines[0].quantity": outside(0, 10**9),
    "activity.lines[0].gross_minor": AMOUNTS,
    "activity.lines[0].discount_minor": AMOUNTS,
    "activity.lines[0].cash_minor": AMOUNTS,
    "activity.lines[0].points_minor": AMOUNTS,
    "activity.attributes": [
        Bad({f"a{number}": "" for number in range(65)}),
        Bad({"Upper": ""}, field='activity.attributes["Upper"]'),
        Bad({"long": "v" * 257}, field='activity.attributes["long"]'),
    ],
    # What came back of it.
    "key.member_id": unknown("member", "MEMBER_UNKNOWN"),
    "key.domain": codes(),
    "key.type": codes(),
    "key.reference": texts(128, needed=True),
    "refund.reference": texts(128, needed=True),
    "refund.whole": [Bad(False)],
    "refund.amount_minor": outside(1),
    "refund.lines.lines": [Bad([]), Bad([{}] * 1001)],
    "refund.lines.lines[0].line": [
        Bad(-1),
        Bad(1000),
        Bad(2, "REFUND_LINE_UNKNOWN", figures={"line": "2", "lines": "2"}),
    ],
    "refund.lines.lines[0].cash_minor": outside(0),
    "refund.lines.lines[0].quantity": outside(0),
}
"""How a field is refused, whichever method has it."""
WITHOUT_ROWS = {"validate_only", "up_to"}
"""Yes or no: neither is wrong."""


def too_much(reason: str, figure: str = "requested", code: StatusCode = TOO_MUCH) -> Bad:
    """As much as there can be, which is more than there is."""
    return Bad(MAX, reason, code, {figure: str(MAX)})


def out_of_range(what: str) -> Bad:
    """More than 64 bits hold, with what is there already."""
    return Bad(MAX, "AMOUNT_OUT_OF_RANGE", figures={"what": what})


SHORT = [*outside(1), too_much("INSUFFICIENT_POINTS", "needed")]
OF_METHODS: dict[str, dict[str, Sequence[Bad]]] = {
    "RefundActivity": {
        "refund.amount_minor": [*outside(1), too_much("REFUND_EXCEEDS_ACTIVITY", "requested_minor")],
        "refund.lines.lines[0].cash_minor": [*outside(0), too_much("REFUND_EXCEEDS_ACTIVITY", "requested_minor")],
        "refund.lines.lines[0].quantity": [*outside(0), too_much("REFUND_EXCEEDS_ACTIVITY", "requested_quantity")],
    },
    "ResolveParkedRefund": {"reason": texts(256, needed=True)},
    "Spend": {"amount": SHORT},
    "Hold": {"amount": SHORT, "expires_at": times("expires_at", limited=True)},
    "CaptureHold": {"amount": [*outside(0), too_much("CAPTURE_EXCEEDS_HOLD")]},
    "ExtendHold": {"expires_at": times("expires_at", limited=True)},
    "RefundSpend": {
        "amount": [*outside(0), too_much("REFUND_EXCEEDS_SPEND")],
        "order_returned_minor": [*outside(0), too_much("ORDER_RETURN_EXCEEDED")],
    },
    "Grant": {
        "amount": [*outside(1), out_of_range("the balance of points")],
        "expires_at": [*times("expires_at", needed=False), Bad((0, 0), "TIME_OUT_OF_RANGE", figures=EXPIRY)],
    },
    "Forfeit": {"amount": [*outside(0), too_much("INSUFFICIENT_POINTS", "needed")]},
    "Convert": {"amount": SHORT},
    "ConvertWithPartner": {"amount": SHORT},
    "Gift": {"amount": SHORT},
    "AcceptGift": {"member_id": [*IDS_OF_MEMBERS, Bad(NOBODY, "GIFT_UNKNOWN", MISSING)]},
    "Adjust": {
        "unit": UNITS,
        "amount": [Bad(0), Bad(-MAX - 1), Bad(-1, "INSUFFICIENT_POINTS", TOO_MUCH, {"needed": "1"})],
    },
}
"""What a method refuses in another way, by method and field."""
