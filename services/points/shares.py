"""Splitting an amount by shares, so that the parts always sum to the whole. Pure."""

from collections.abc import Sequence
from fractions import Fraction


def split(amount: int, shares: Sequence[int]) -> list[int]:
    """The parts by the largest remainder; ties go to the earliest (cases.md, default 10)."""
    total = sum(shares)
    parts = [amount * share // total for share in shares]
    remainders = [amount * share % total for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: -remainders[place])
    for place in by_remainder[: amount - sum(parts)]:
        parts[place] += 1
    return parts


def left_of_parts(amount: int, parts: Sequence[int]) -> list[int]:
    """What is left of parts, each above 0, when their sum falls to an amount: in proportion, and never more than when
    it had not fallen so far.

    The largest remainder would let a part rise as the sum falls. Webster's rule does not: a point at a time goes to
    the part that is furthest from its next half; ties go to the earliest.
    """
    if len(parts) == 1:
        return [amount]
    total, places = sum(parts), range(len(parts))
    # None is as many points away from its share as there are parts, so what is sure is given at once.
    left = [max(0, amount * part // total - len(parts)) for part in parts]
    for _ in range(amount - sum(left)):
        left[min(places, key=lambda place: Fraction(2 * left[place] + 1, parts[place]))] += 1
    return left
