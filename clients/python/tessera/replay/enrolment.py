"""Enrols the households: one member each, with an account in every domain in which it ever buys."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tessera.client import Client
from tessera.errors import Error
from tessera.grocer import Account
from tessera.identity.v1 import identity_service_pb2 as pb
from tessera.replay.bulk import settle_all


class Ids(NamedTuple):
    """What an account and its member are called in the suite."""

    member_id: str
    account_id: str


async def enrol(client: Client, accounts: Sequence[Account]) -> dict[Account, Ids]:
    """The IDs of all accounts. Whoever is enrolled already stays as it is, so this may be done again and again.

    `accounts` stand together by household; the first enrols the member, the others are linked to it. Raises `Error` for
    an account that identity refuses.
    """
    firsts: dict[int, Account] = {}
    for account in accounts:
        firsts.setdefault(account.household, account)
    enrolled = await settle_all(
        client.method("identity", "BulkResolveAccounts"),
        pb.BulkResolveAccountsRequest,
        [_resolve(account) for account in firsts.values()],
    )
    known = {
        account: Ids(answer.member_id, answer.account_id)
        for account, answer in zip(firsts.values(), map(_checked, enrolled), strict=True)
    }
    others = [account for account in accounts if account not in known]
    linked = await settle_all(
        client.method("identity", "BulkLinkAccounts"),
        pb.BulkLinkAccountsRequest,
        [_link(account, known[firsts[account.household]].member_id) for account in others],
    )
    for account, answer in zip(others, map(_checked, linked), strict=True):
        known[account] = Ids(answer.account.member_id, answer.account.account_id)
    return known


def _resolve(account: Account) -> pb.ResolveAccountRequest:
    return pb.ResolveAccountRequest(
        request_id=f"grocer/enrol/{account.household}",
        domain=account.domain,
        external_id=str(account.household),
        create_missing=True,
        verified=True,
    )


def _link(account: Account, member_id: str) -> pb.LinkAccountRequest:
    return pb.LinkAccountRequest(
        request_id=f"grocer/link/{account.household}/{account.domain}",
        member_id=member_id,
        domain=account.domain,
        external_id=str(account.household),
        verified=True,
    )


def _checked(outcome: Any) -> Any:
    if isinstance(outcome, Error):
        raise outcome
    return outcome
