"""What a batch has loaded of one partition of the points tables, and what it makes of it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis import ids
from services.chassis.operations import Moment
from services.chassis.store import Rows, new
from services.points import events, rows
from services.points.budgets.books import BudgetBooks
from services.points.documents import PointsConfig
from services.points.groups.caps import GroupCaps
from services.points.groups.events import pooled_spend_changed
from services.points.groups.values import GroupSeat, PooledSpend
from services.points.merges.values import Drawn, Link, Merge, ScorePart
from services.points.partners.values import PartnerConversion
from services.points.piles import Pile
from services.points.timeline import Timeline
from services.points.values import (
    EMPTY_BALANCE,
    Account,
    ActivityRow,
    Adjustment,
    Balance,
    CapKey,
    Clawback,
    Completion,
    Entry,
    EntryKind,
    Gift,
    Hold,
    Lot,
    LotUse,
    Movement,
    ParkedRefund,
    RefundRow,
    Spend,
)
from services.points.wallet import Wallet

NEW_ACTIVITIES = new("activities")
NEW_LOTS = new("lots")
NEW_LOT_USES = new("lot_uses")
NEW_CONTRIBUTIONS = new("contributions")
MOVED = (EntryKind.MERGE_OUT, EntryKind.MERGE_IN)


class PointsState:
    """Rows by key; what changed is noted and becomes rows to write and events to tell."""

    def __init__(
        self, config: PointsConfig, budgets: BudgetBooks | None = None, group_caps: GroupCaps | None = None
    ) -> None:
        self.config = config
        self.budgets = budgets or BudgetBooks()
        self.group_caps = group_caps or GroupCaps(lambda partition: self, self.groups_of_members)
        self.members: dict[UUID, int] = {}
        self.accounts: dict[UUID, Account] = {}
        self.links: dict[UUID, Link] = {}
        self.scores: dict[UUID, list[ScorePart]] = {}
        """What members scored; loaded where somebody is merged or unmerged."""
        self.drawn: dict[UUID, list[Drawn]] = {}
        """What was drawn on their caps through accounts; loaded with the scores."""
        self.brought_over: set[UUID] = set()
        """The movements by which points came from other members of a person; loaded with the scores."""
        self.elsewhere: Callable[[UUID], PointsState] = lambda member_id: self
        """The state of the partition of another member."""
        self.activities: dict[UUID, ActivityRow] = {}
        self.activity_by_natural_key: dict[UUID, UUID] = {}
        self.refunds: dict[UUID, list[RefundRow]] = defaultdict(list)
        self.completions: dict[UUID, Completion] = {}
        self.parked: dict[UUID, ParkedRefund] = {}
        self._parked_of: dict[UUID, set[UUID]] = defaultdict(set)
        self.balances: dict[tuple[UUID, str], Balance] = {}
        self.lots: dict[tuple[UUID, str], Pile] = defaultdict(lambda: Pile({}))
        self.holds: dict[UUID, Hold] = {}
        self.open_holds: dict[tuple[UUID, str], set[UUID]] = defaultdict(set)
        self.spends: dict[UUID, Spend] = {}
        self.pooled_spends: dict[UUID, PooledSpend] = {}
        self.seats: dict[UUID, dict[UUID, GroupSeat]] = defaultdict(dict)
        """By owner, a group or a member."""
        self.gifts: dict[UUID, Gift] = {}
        self.adjustments: dict[UUID, Adjustment] = {}
        self.partner_conversions: dict[UUID, PartnerConversion] = {}
        self.open_clawbacks: dict[tuple[UUID, str], dict[UUID, Clawback]] = defaultdict(dict)
        self.cap_uses: dict[CapKey, int] = {}
        self._timelines: dict[tuple[UUID, str], Timeline] = {}
        self._changed: dict[str, dict[Any, tuple[Any, ...]]] = defaultdict(dict)
        self._entries: list[Entry] = []
        self._events: list[bytes] = []

    # What rules look at

    def levels(self, member_id: UUID, at: datetime) -> dict[str, str]:
        """The member's level on each ladder that a rule looks at."""
        return {
            ladder: timeline.at(at)
            for ladder in self.config.ladders
            if (timeline := self._timelines.get((member_id, ladder))) is not None
        }

    def add_standing(self, member_id: UUID, ladder: str, effective_from: datetime, level: str) -> None:
        """A standing as it was loaded."""
        self._timelines.setdefault((member_id, ladder), Timeline()).add(effective_from, level)

    def balance(self, member_id: UUID, unit: str) -> Balance:
        """A wallet's balance."""
        return self.balances.get((member_id, unit), EMPTY_BALANCE)

    def wallet(self, member_id: UUID, unit: str) -> Wallet:
        """A copy of a wallet, for rules to change."""
        key = (member_id, unit)
        holds = {hold_id: self.holds[hold_id] for hold_id in self.open_holds.get(key, ())}
        clawbacks = dict(self.open_clawbacks.get(key, {}))
        pile = self.lots[key]
        return Wallet(member_id, unit, self.balance(member_id, unit), dict(pile.lots), holds, clawbacks, pile=pile)

    def link(self, member_id: UUID) -> Link:
        """Whom an ID leads to, and which lead to it."""
        return self.links.get(member_id) or Link(member_id)

    def add_link(self, link: Link) -> None:
        """A link as it was loaded."""
        self.links[link.member_id] = link

    def put_link(self, link: Link) -> None:
        """A link as it becomes."""
        self.add_link(link)
        gone = ids.joined(each for pair in link.gone for each in pair)
        self._put("links", link.member_id, (link.member_id, link.leads_to, ids.joined(link.merged), gone))

    def put_merge(self, merge: Merge) -> None:
        """A merge as it becomes."""
        row = (merge.merge_id, merge.survivor_id, ids.joined(merge.merged_ids), merge.is_checked)
        self._put("merges", merge.merge_id, row)

    def open_holds_elsewhere(self, member_id: UUID, unit: str) -> list[Hold]:
        """The open holds of those that were merged into a member."""
        states = [(each, self.elsewhere(each)) for each in self.link(member_id).merged]
        return [state.holds[hold_id] for each, state in states for hold_id in state.open_holds.get((each, unit), ())]

    def open_wallets(self, member_ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
        """The wallets of members, as far as they are loaded, in which there is a lot or an open hold."""
        wanted = set(member_ids)
        return sorted(key for key in {*self.lots, *self.open_holds} if key[0] in wanted)

    def add_lot(self, lot: Lot) -> None:
        """A lot as it was loaded."""
        self.lots[lot.member_id, lot.unit].put(lot)

    def add_hold(self, hold: Hold) -> None:
        """A hold as it was loaded."""
        self.holds[hold.hold_id] = hold
        open_holds = self.open_holds[hold.member_id, hold.unit]
        if hold.state == "open":
            open_holds.add(hold.hold_id)
        else:
            open_holds.discard(hold.hold_id)

    def add_clawback(self, clawback: Clawback) -> None:
        """A clawback as it was loaded."""
        clawbacks = self.open_clawbacks[clawback.member_id, clawback.unit]
        if clawback.owed:
            clawbacks[clawback.clawback_id] = clawback
        else:
            clawbacks.pop(clawback.clawback_id, None)

    def add_activity(self, row: ActivityRow) -> None:
        """An activity as it was loaded."""
        self.activities[row.activity_id] = row
        self.activity_by_natural_key[row.natural_key] = row.activity_id

    def add_parked(self, row: ParkedRefund) -> None:
        """A parked refund as it was loaded."""
        self.parked[row.parked_refund_id] = row
        self._parked_of[row.natural_key].add(row.parked_refund_id)

    def parked_of(self, natural_key: UUID) -> list[ParkedRefund]:
        """The refunds parked for an activity, as they came."""
        if not self.parked:
            return []
        rows = [self.parked[row_id] for row_id in self._parked_of.get(natural_key, ())]
        return sorted(rows, key=lambda row: row.ordinal)

    # What becomes of it

    def put_member(self, member_id: UUID, status: int) -> None:
        """A member as it becomes."""
        self.members[member_id] = status
        self._put("members", member_id, (member_id, status))

    def put_account(self, account: Account) -> None:
        """An account as it becomes."""
        self.accounts[account.account_id] = account
        self._put("accounts", account.account_id, account)

    def put_standing(self, member_id: UUID, ladder: str, effective_from: datetime, level: str) -> None:
        """A standing that was heard of; later ones that it takes back no longer stand."""
        timeline = self._timelines.setdefault((member_id, ladder), Timeline())
        for taken_back in timeline.add(effective_from, level):
            self._put("standings", (member_id, ladder, taken_back), (member_id, ladder, taken_back, "", False))
        row = (member_id, ladder, effective_from, level, True)
        self._put("standings", (member_id, ladder, effective_from), row)

    def add_seat(self, seat: GroupSeat) -> None:
        """A seat as it was loaded."""
        self.seats[seat.owner_id][seat.seat_id] = seat

    def taken_seats(self, owner_id: UUID) -> list[GroupSeat]:
        """The seats of a group, or of a member, that are taken now."""
        return [seat for seat in self.seats.get(owner_id, {}).values() if seat.left_at is None]

    def groups_of_members(self) -> set[UUID]:
        """The groups that members are or were in whose seats are loaded."""
        return {
            seat.group_id for seats in self.seats.values() for seat in seats.values() if seat.owner_id == seat.member_id
        }

    def put_seat(self, seat: GroupSeat) -> None:
        """A seat that was heard of."""
        self.add_seat(seat)
        self._put("group_seats", (seat.owner_id, seat.seat_id), seat)

    def put_new_activity(self, row: ActivityRow) -> None:
        """An activity that was not there."""
        self.add_activity(row)
        self._put(NEW_ACTIVITIES, row.activity_id, row)

    def put_new_refund(self, row: RefundRow) -> None:
        """A refund that was not there."""
        self.refunds[row.activity_id].append(row)
        self._put("refunds", row[:2], row)

    def put_completion(self, row: Completion) -> None:
        """An activity that is completed."""
        self.completions[row.activity_id] = row
        self._put("completions", row.activity_id, row)
        self._events.append(events.activity_completed(row))

    def put_parked(self, row: ParkedRefund) -> None:
        """A parked refund as it becomes."""
        self.add_parked(row)
        self._put("parked_refunds", row.parked_refund_id, row)
        self._events.append(events.parked_refund_changed(row))

    def put_cap_use(self, key: CapKey, used: int) -> None:
        """How much of a cap is used, as it becomes."""
        self.cap_uses[key] = used
        self._put("cap_uses", key, (*key, used))
        self._events.append(events.cap_used(key, used))

    def used(self, key: CapKey) -> int:
        """How much of a cap is used by a member, and by those that were merged into it.

        One of them may have less than nothing: what an account drew may be counted by one and come back to another.
        """
        used = self.cap_uses.get(key, 0)
        link = self.links.get(key.member_id)
        for each in link.merged if link is not None else ():
            used += self.elsewhere(each).cap_uses.get(key._replace(member_id=each), 0)
        return max(0, used)

    def draw_on_cap(self, member_id: UUID, key: CapKey, amount: int, moment: Moment[PointsConfig]) -> None:
        """Draw on a cap of a member or of its group, or give back to it."""
        if key.member_id == member_id:
            self.put_cap_use(key, self.cap_uses.get(key, 0) + amount)
        else:
            self.group_caps.add(moment.partition_of(key.member_id.int), key, amount)

    def put_balance(self, member_id: UUID, unit: str, balance: Balance) -> None:
        """A balance as it becomes."""
        self.balances[member_id, unit] = balance
        self._put("balances", (member_id, unit), (member_id, unit, *balance))

    def put_new_lot(self, lot: Lot) -> None:
        """A lot that was not there."""
        self.add_lot(lot)
        self._put(NEW_LOTS, lot.lot_id, lot)

    @property
    def next_ordinal(self) -> int:
        """The ordinal in the batch that the next entry gets."""
        return len(self._entries)

    def book(self, entry: Entry) -> None:
        """Keep an entry."""
        self._entries.append(entry)
        unit = self.config.units.get(entry.unit)
        if entry.member_id in self.scores and entry.kind in MOVED and unit is not None and not unit.is_spendable:
            self._move_score(entry)

    def _move_score(self, entry: Entry) -> None:
        """What counted through an account is moved: whoever else is unmerged with the same batch finds it there."""
        part = ScorePart(entry.unit, entry.account_id, entry.effective_at, entry.amount)
        same = [one for one in self.scores[entry.member_id] if one[:3] == part[:3]]
        others = [one for one in self.scores[entry.member_id] if one[:3] != part[:3]]
        amount = part.amount + sum(one.amount for one in same)
        self.scores[entry.member_id] = [*others, part._replace(amount=amount)] if amount else others

    def put_wallet(self, wallet: Wallet) -> None:
        """A wallet as rules made it: every change of it, and the events that tell them; and so others of its person."""
        for other in wallet.others:
            self.elsewhere(other.member_id).put_wallet(other)
        for entry in wallet.entries:
            self._events.append(events.entry_booked(self.next_ordinal, entry))
            self.book(entry)
        before = self.balance(wallet.member_id, wallet.unit)
        if wallet.entries or wallet.balance != before:
            self.put_balance(wallet.member_id, wallet.unit, wallet.balance)
        if wallet.balance.slides_to is not None and wallet.balance.slides_to != before.slides_to:
            self._events.append(events.wallet_slid(wallet.member_id, wallet.unit, wallet.balance.slides_to))
        pile = self.lots[wallet.member_id, wallet.unit]
        for lot_id in sorted(wallet.changed_lots):
            lot = wallet.lots[lot_id]
            pile.put(lot)
            self._put_again("lots", lot_id, lot)
            self._events.append(events.lot_changed(lot))
        for hold_id in sorted(wallet.changed_holds):
            self._put_hold(wallet.holds[hold_id])
        for spend in wallet.spends:
            self._put_spend(spend)
        for clawback_id in sorted(wallet.changed_clawbacks):
            self._put_clawback(wallet.clawbacks[clawback_id])
        for movement in wallet.movements:
            self._put_movement(movement)
        for key, used in wallet.cap_uses.items():
            self.put_cap_use(key, used)

    def _put_hold(self, hold: Hold) -> None:
        before = self.holds.get(hold.hold_id)
        self.add_hold(hold)
        self.put_used("holds", hold.hold_id, rows.HOLD(hold), before.uses if before else None, hold.uses)
        self._events.append(events.hold_changed(hold))

    def _put_spend(self, spend: Spend) -> None:
        before = self.spends.get(spend.spend_id)
        self.spends[spend.spend_id] = spend
        self.put_used("spends", spend.spend_id, rows.SPEND(spend), before.uses if before else None, spend.uses)
        self._events.append(events.spend_changed(spend))

    def put_pooled_spend(self, pooled: PooledSpend) -> None:
        """A pooled spend as it becomes; its contributions never become more."""
        before = self.pooled_spends.get(pooled.spend_id)
        self.pooled_spends[pooled.spend_id] = pooled
        if before is None:
            self._put(new("pooled_spends"), pooled.spend_id, rows.POOLED_SPEND(pooled))
        else:
            self._put_again("pooled_spends", pooled.spend_id, rows.POOLED_SPEND(pooled))
        for ordinal, contribution in enumerate(pooled.contributions):
            key, row = (pooled.spend_id, ordinal), (pooled.spend_id, ordinal, *contribution)
            if before is None:
                self._put(NEW_CONTRIBUTIONS, key, row)
            elif contribution != before.contributions[ordinal]:
                self._put_again("contributions", key, row)
        self._events.append(pooled_spend_changed(pooled))

    def put_gift(self, gift: Gift) -> None:
        """A gift as it becomes."""
        before = self.gifts.get(gift.gift_id)
        self.gifts[gift.gift_id] = gift
        self.put_used("gifts", gift.gift_id, rows.GIFT(gift), before.uses if before else None, gift.uses)
        self._events.append(events.gift_changed(gift))

    def put_adjustment(self, adjustment: Adjustment) -> None:
        """An adjustment as it becomes."""
        before = self.adjustments.get(adjustment.adjustment_id)
        self.adjustments[adjustment.adjustment_id] = adjustment
        uses_before = before.uses if before else None
        self.put_used(
            "adjustments", adjustment.adjustment_id, rows.ADJUSTMENT(adjustment), uses_before, adjustment.uses
        )
        self._events.append(events.adjustment_changed(adjustment))

    def _put_clawback(self, clawback: Clawback) -> None:
        before = self.open_clawbacks[clawback.member_id, clawback.unit].get(clawback.clawback_id)
        self.add_clawback(clawback)
        uses_before = before.uses if before else None
        self.put_used("clawbacks", clawback.clawback_id, rows.CLAWBACK(clawback), uses_before, clawback.uses)
        self._events.append(events.clawback_changed(clawback))

    def _put_movement(self, movement: Movement) -> None:
        self.put_used("movements", movement.movement_id, rows.MOVEMENT(movement), None, movement.uses)
        self._events.append(events.movement_booked(movement))
        if movement.kind is EntryKind.MERGE_IN:
            self.brought_over.add(movement.movement_id)

    def put_used(
        self,
        table: str,
        user_id: UUID,
        values: tuple[Any, ...],
        uses_before: Sequence[LotUse] | None,
        uses: Sequence[LotUse],
    ) -> None:
        """Note what uses lots (a hold, a spend, …), and what changed of the lots it uses; None before it is new."""
        if uses_before is None:
            self._put(new(table), user_id, values)
            uses_before = ()
        else:
            self._put_again(table, user_id, values)
        for ordinal, use in enumerate(uses):
            row = (user_id, ordinal, use.lot_id, use.amount, use.refunded)
            if ordinal >= len(uses_before):
                self._put(NEW_LOT_USES, (user_id, ordinal), row)
            elif use != uses_before[ordinal]:
                self._put_again("lot_uses", (user_id, ordinal), row)

    def tell(self, event: bytes) -> None:
        """Note an event."""
        self._events.append(event)

    def mark_reversed(self, activity_id: UUID, reversed_at: datetime) -> None:
        """An activity is reversed."""
        row = self.activities[activity_id] = self.activities[activity_id]._replace(reversed_at=reversed_at)
        self._put_again("activities", activity_id, row)

    def _put(self, table: str, key: Any, values: tuple[Any, ...]) -> None:
        """Note a row as it becomes."""
        self._changed[table][key] = values

    def _put_again(self, table: str, key: Any, values: tuple[Any, ...]) -> None:
        """Note a row of a table that has new ones; one that is new stays new, whatever else becomes of it."""
        self._put(new(table) if key in self._changed[new(table)] else table, key, values)

    # What the chassis writes

    def rows(self) -> Mapping[str, Rows]:
        """Rows to write, by table."""
        rows: dict[str, Rows] = {table: list(changed.values()) for table, changed in self._changed.items()}
        return {**rows, "entries": self._entries}

    @property
    def events(self) -> Sequence[bytes]:
        """Events to tell, in order."""
        return self._events
