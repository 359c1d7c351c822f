"""Commands that merge the two members of a match, made of what is there now."""

from dataclasses import fields
from typing import Any

from services.chassis.idempotency import Request
from services.identity.matches.commands import CarryOutMatch, MergeMatch
from services.identity.matches.values import Match
from services.identity.merges.commands import MergeMembers
from services.identity.merges.making import Making
from services.identity.people import People


class MatchMaking:
    """Makes commands."""

    def __init__(self, people: People, merges: Making) -> None:
        self._people = people
        self._merges = merges

    async def merging(
        self, match: Match, identified: Request, cause: str, caller: str, *, validate_only: bool
    ) -> MergeMatch:
        """The command to merge the members of a match because somebody says so."""
        merge = await self._merge(match, identified, cause, caller, validate_only=validate_only)
        return MergeMatch(**_fields(merge), match_id=match.match_id)

    async def carrying_out(self, match: Match, identified: Request, cause: str, caller: str) -> CarryOutMatch:
        """The command to merge them because a policy does, as far as nothing stands in the way."""
        merge = await self._merge(match, identified, cause, caller, validate_only=False)
        return CarryOutMatch(**_fields(merge), match_id=match.match_id, blocker="")

    async def _merge(
        self, match: Match, identified: Request, cause: str, caller: str, *, validate_only: bool
    ) -> MergeMembers:
        """Who was enrolled first survives. The request is kept where the match is."""
        members = [await self._people.meant(one) for one in (match.member_id, match.other_id)]
        by_age = sorted((one.enrolled_at, one.member_id) for one in members if one is not None)
        survivor_id = by_age[0][1]
        merged_id = next((one for _, one in by_age if one != survivor_id), survivor_id)
        return await self._merges.merging(
            identified, match.member_id, survivor_id, merged_id, cause, caller, validate_only=validate_only
        )


def _fields(merge: MergeMembers) -> dict[str, Any]:
    return {field.name: getattr(merge, field.name) for field in fields(MergeMembers)}
