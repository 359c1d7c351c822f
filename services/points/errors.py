"""Every way the points service says no; mirrors `tessera.points.v1.ErrorReason`."""

from datetime import datetime, timedelta

from grpc import StatusCode

from services.chassis.errors import Rejection

SOON = timedelta(milliseconds=250)
"""How soon a new member or account may have arrived."""

NOT_CONFIGURED = Rejection("NOT_CONFIGURED", "no programme is configured yet, so nothing can be earned or spent")


def member_unknown(member_id: str) -> Rejection:
    """No such member has been heard of, yet."""
    return Rejection(
        "MEMBER_UNKNOWN",
        "no such member has been heard of; a new one may still be on its way",
        code=StatusCode.NOT_FOUND,
        metadata={"member_id": member_id},
        retry_after=SOON,
    )


MEMBER_SUSPENDED = Rejection("MEMBER_SUSPENDED", "the member is suspended")
MEMBER_CLOSED = Rejection("MEMBER_CLOSED", "the member is closed")


def account_unknown(account_id: str) -> Rejection:
    """No such account has been heard of, yet."""
    return Rejection(
        "ACCOUNT_UNKNOWN",
        "no such account has been heard of; a new one may still be on its way",
        code=StatusCode.NOT_FOUND,
        metadata={"account_id": account_id},
        retry_after=SOON,
    )


def account_of_another_member(account_id: str) -> Rejection:
    """The account is not the named member's."""
    return Rejection(
        "ACCOUNT_OF_ANOTHER_MEMBER",
        "the account belongs to another member, or to none any more",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"account_id": account_id},
    )


def account_of_another_domain(account_id: str, domain: str) -> Rejection:
    """The account is not in the named domain."""
    return Rejection(
        "ACCOUNT_OF_ANOTHER_DOMAIN",
        f"the account is in the domain {domain}",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"account_id": account_id, "domain": domain},
    )


def activity_already_recorded(activity_id: str) -> Rejection:
    """The same domain, type and reference was recorded with another body."""
    return Rejection(
        "ACTIVITY_ALREADY_RECORDED",
        "an activity of this domain, type and reference is recorded with another body",
        code=StatusCode.ALREADY_EXISTS,
        metadata={"activity_id": activity_id},
    )


def activity_unknown(activity_id: str) -> Rejection:
    """No such activity."""
    return Rejection(
        "ACTIVITY_UNKNOWN",
        "no such activity is recorded",
        code=StatusCode.NOT_FOUND,
        metadata={"activity_id": activity_id},
    )


def activity_already_reversed(reversed_at: datetime) -> Rejection:
    """It is reversed."""
    return Rejection(
        "ACTIVITY_ALREADY_REVERSED",
        "the activity is already reversed",
        metadata={"reversed_at": reversed_at.isoformat()},
    )


def unit_unknown(unit: str) -> Rejection:
    """No such unit."""
    return Rejection(
        "UNIT_UNKNOWN", f"no unit {unit} is configured", code=StatusCode.INVALID_ARGUMENT, metadata={"unit": unit}
    )


def funder_unknown(funder: str) -> Rejection:
    """No document names such a funder."""
    return Rejection(
        "FUNDER_UNKNOWN",
        f"no document names {funder} as a funder",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"funder": funder},
    )


def unit_not_spendable(unit: str) -> Rejection:
    """A score."""
    return Rejection(
        "UNIT_NOT_SPENDABLE",
        f"{unit} is a qualifying unit: a score, which nobody spends",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"unit": unit},
    )


def insufficient_points(available: int, needed: int, held: int, pending: int) -> Rejection:
    """Less than is needed."""
    return Rejection(
        "INSUFFICIENT_POINTS",
        f"{needed} points are needed, {available} are available",
        metadata={"available": str(available), "needed": str(needed), "held": str(held), "pending": str(pending)},
    )


def hold_unknown(hold_id: str) -> Rejection:
    """No such hold."""
    return Rejection("HOLD_UNKNOWN", "there is no such hold", code=StatusCode.NOT_FOUND, metadata={"hold_id": hold_id})


def hold_not_open(state: str) -> Rejection:
    """Its life is over."""
    return Rejection("HOLD_NOT_OPEN", f"the hold is {state}", metadata={"state": state})


def capture_exceeds_hold(held: int, requested: int) -> Rejection:
    """More than it holds."""
    return Rejection(
        "CAPTURE_EXCEEDS_HOLD",
        f"the hold holds {held}, {requested} were to be captured",
        metadata={"held": str(held), "requested": str(requested)},
    )


def lot_unknown(lot_id: str) -> Rejection:
    """The member has no such lot."""
    return Rejection(
        "LOT_UNKNOWN", "the member has no such lot", code=StatusCode.NOT_FOUND, metadata={"lot_id": lot_id}
    )


def expiry_out_of_range(after: datetime, latest: datetime | None = None) -> Rejection:
    """A grant or a hold that is over before it begins, or a hold that would not hold longer, or too long."""
    figures = {"after": after.isoformat()} | ({"latest": latest.isoformat()} if latest else {})
    return Rejection(
        "TIME_OUT_OF_RANGE",
        "expires_at must be after {after}".format(**figures) + (f", at most {latest.isoformat()}" if latest else ""),
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"field": "expires_at", **figures},
    )


def balance_limit_exceeded(limit: int, balance: int, amount: int) -> Rejection:
    """More than the unit allows to have."""
    return Rejection(
        "BALANCE_LIMIT_EXCEEDED",
        f"at most {limit} may be in a wallet: {balance} are, {amount} were to come",
        metadata={"limit": str(limit), "balance": str(balance), "amount": str(amount)},
    )


def conversion_unknown(conversion: str) -> Rejection:
    """No such conversion."""
    return Rejection(
        "CONVERSION_UNKNOWN",
        f"no conversion {conversion} is configured",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"conversion": conversion},
    )


def conversion_below_minimum(minimum: int, requested: int) -> Rejection:
    """Too little to convert."""
    return Rejection(
        "CONVERSION_BELOW_MINIMUM",
        f"at least {minimum} can be converted, {requested} were to be",
        metadata={"minimum": str(minimum), "requested": str(requested)},
    )


def conversion_cap_exceeded(limit: int, left: int, requested: int) -> Rejection:
    """More than is left of the cap."""
    return Rejection(
        "CONVERSION_CAP_EXCEEDED",
        f"{left} of {limit} can still be converted in this period, {requested} were to be",
        metadata={"limit": str(limit), "left": str(left), "requested": str(requested)},
    )


def spend_limit_exceeded(limit: str, allowed: int, requested: int) -> Rejection:
    """More than a limit of the unit allows."""
    return Rejection(
        "SPEND_LIMIT_EXCEEDED",
        f"{limit} allows {allowed}, {requested} were asked for",
        metadata={"limit": limit, "allowed": str(allowed), "requested": str(requested)},
    )


def spend_below_minimum(minimum: int, requested: int) -> Rejection:
    """Too little to spend."""
    return Rejection(
        "SPEND_BELOW_MINIMUM",
        f"at least {minimum} can be spent at once, {requested} were asked for",
        metadata={"minimum": str(minimum), "requested": str(requested)},
    )


def spend_not_a_multiple(multiple_of: int, requested: int) -> Rejection:
    """An amount that is not spent."""
    return Rejection(
        "SPEND_NOT_A_MULTIPLE",
        f"only multiples of {multiple_of} can be spent, {requested} were asked for",
        metadata={"multiple_of": str(multiple_of), "requested": str(requested)},
    )


def order_amount_required(unit: str) -> Rejection:
    """A share of nothing that is named."""
    return Rejection(
        "ORDER_AMOUNT_REQUIRED",
        f"{unit} pays a share of an order at most: order_minor must say of how much",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"unit": unit},
    )


SPEND_WITHOUT_ORDER = Rejection(
    "SPEND_WITHOUT_ORDER", "no order was named when the points were spent, so no part of it can be returned"
)


def order_return_exceeded(returnable: int, requested: int) -> Rejection:
    """More than is left of the order."""
    return Rejection(
        "ORDER_RETURN_EXCEEDED",
        f"{returnable} of the order can still be returned, {requested} were to be",
        metadata={"returnable": str(returnable), "requested": str(requested)},
    )


def spend_unknown(spend_id: str) -> Rejection:
    """No such spend."""
    return Rejection(
        "SPEND_UNKNOWN", "there is no such spend", code=StatusCode.NOT_FOUND, metadata={"spend_id": spend_id}
    )


def refund_exceeds_spend(refundable: int, requested: int) -> Rejection:
    """More than is left to refund."""
    return Rejection(
        "REFUND_EXCEEDS_SPEND",
        f"{refundable} can still be refunded, {requested} were asked for",
        metadata={"refundable": str(refundable), "requested": str(requested)},
    )


def refund_already_recorded(reference: str) -> Rejection:
    """The same reference was recorded with another body."""
    return Rejection(
        "REFUND_ALREADY_RECORDED",
        "a refund of this reference is recorded for the activity with another body",
        code=StatusCode.ALREADY_EXISTS,
        metadata={"reference": reference},
    )


def refund_exceeds_activity(of: str, left: int, requested: int, line: int | None = None) -> Rejection:
    """More than is left: of the money ("minor") or the quantity, of a line or of the whole."""
    metadata = {f"left_{of}": str(left), f"requested_{of}": str(requested)}
    return Rejection(
        "REFUND_EXCEEDS_ACTIVITY",
        f"{left} can still come back, {requested} were asked for",
        metadata=metadata if line is None else {**metadata, "line": str(line)},
    )


def refund_line_unknown(line: int, lines: int) -> Rejection:
    """No such line."""
    return Rejection(
        "REFUND_LINE_UNKNOWN",
        f"the activity has {lines} lines, counted from 0",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"line": str(line), "lines": str(lines)},
    )


def parked_refund_unknown(parked_refund_id: str) -> Rejection:
    """No such parked refund."""
    return Rejection(
        "PARKED_REFUND_UNKNOWN",
        "there is no such parked refund",
        code=StatusCode.NOT_FOUND,
        metadata={"parked_refund_id": parked_refund_id},
    )


def parked_refund_closed(state: str) -> Rejection:
    """Nothing is left to decide."""
    return Rejection("PARKED_REFUND_CLOSED", f"the parked refund is {state}", metadata={"state": state})


def currency_mismatch(currency: str) -> Rejection:
    """Another currency than the rules'."""
    return Rejection(
        "CURRENCY_MISMATCH",
        f"amounts must be in {currency}",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"currency": currency},
    )


def amount_out_of_range(what: str, **figures: object) -> Rejection:
    """Outside int64, with what led there."""
    return Rejection(
        "AMOUNT_OUT_OF_RANGE",
        f"{what} leaves the range of 64-bit integers",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"what": what, **{name: str(figure) for name, figure in figures.items()}},
    )


def balance_out_of_range(unit: str, balance: int, amount: int) -> Rejection:
    """A balance that would leave int64 with an amount."""
    return amount_out_of_range(f"the balance of {unit}", balance=balance, amount=amount)


def effective_after_recorded() -> Rejection:
    """A balance that was to be told of a time after that by which it was recorded."""
    return Rejection(
        "TIME_OUT_OF_RANGE",
        "effective_at must not be after recorded_by",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"field": "effective_at"},
    )


def partition_unknown(partitions: int) -> Rejection:
    """No such partition."""
    return Rejection(
        "PARTITION_UNKNOWN",
        f"there are {partitions} partitions, counted from 0",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"partitions": str(partitions)},
    )


def budget_unknown(budget: str) -> Rejection:
    """No budget of this code is configured."""
    return Rejection(
        "BUDGET_UNKNOWN", "no such budget is configured", code=StatusCode.NOT_FOUND, metadata={"budget": budget}
    )


def ledger_not_sealed(sealed_position: int) -> Rejection:
    """Only what is sealed can be archived, and only up to a seal."""
    return Rejection(
        "LEDGER_NOT_SEALED",
        f"there is no seal at this position; the newest is at {sealed_position}",
        metadata={"sealed_position": str(sealed_position)},
    )


def archive_differs(position: int) -> Rejection:
    """What somebody archived is not what is in the database."""
    return Rejection(
        "ARCHIVE_DIFFERS",
        f"the chain hash is not the one that was sealed at {position}",
        code=StatusCode.INVALID_ARGUMENT,
        metadata={"position": str(position)},
    )
