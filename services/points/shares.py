"""Splitting an amount by shares, so that the parts always sum to the whole. Pure."""

from collections.abc import Sequence


def split(amount: int, shares: Sequence[int]) -> list[int]:
    """The parts by the largest remainder; ties go to the earliest (cases.md, default 10)."""
    total = sum(shares)
    parts = [amount * share // total for share in shares]
    remainders = [amount * share % total for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: -remainders[place])
    for place in by_remainder[: amount - sum(parts)]:
        parts[place] += 1
    return parts
