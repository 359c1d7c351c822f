"""What becomes of the wallets of a member that was erased: what is left is forfeited, and nothing is recorded any more.

Entries, lots and the journal hold pseudonymous IDs alone, so they stay, and prove what they proved. Source: E73.
"""

from hashlib import blake2b
from uuid import UUID

from services.chassis import ids
from services.chassis.operations import Moment, Wider
from services.points.documents import PointsConfig
from services.points.groups.commands import LoadWallets
from services.points.heard import CLOSED, ErasureHeard
from services.points.merges.others import person_loaded
from services.points.movements.rules import forfeit
from services.points.state_by_partition import StateByPartition
from services.points.wallet import Wallet
from services.points.wallets.lots import settle
from services.points.wallets.rules import release

REASON = "erasure"


def wider(states: StateByPartition, heard: ErasureHeard) -> Wider | None:
    """What has to be loaded first: all wallets of the person."""
    if heard.member_id not in states.with_wallets:
        return Wider(LoadWallets((heard.member_id,)))
    found = person_loaded(states, heard.member_id)
    return found if isinstance(found, Wider) else None


def erase(states: StateByPartition, heard: ErasureHeard, moment: Moment[PointsConfig]) -> None:
    """Forfeit what is there, also what a hold held that was placed in the last moment."""
    person = person_loaded(states, heard.member_id)
    assert not isinstance(person, Wider), "it was loaded before"
    for member_id in person:
        state = states.of_member(member_id)
        for unit in sorted({unit for owner_id, unit in state.balances if owner_id == member_id}):
            wallet = state.wallet(member_id, unit)
            _forfeit(wallet, moment)
            state.put_wallet(wallet)
        state.put_member(member_id, CLOSED)


def _forfeit(wallet: Wallet, moment: Moment[PointsConfig]) -> None:
    settle(wallet, moment.at)
    for hold in [hold for hold in wallet.holds.values() if hold.state == "open"]:
        release(wallet, hold.hold_id, moment.at)
    if wallet.lots:
        forfeit(wallet, _forfeit_id(wallet), 0, REASON, REASON, moment.at)


def _forfeit_id(wallet: Wallet) -> UUID:
    digest = blake2b(b"erasure" + wallet.member_id.bytes + wallet.unit.encode(), digest_size=16).digest()
    return ids.hashed(digest, ids.routing_of(wallet.member_id))
