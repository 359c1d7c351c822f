"""How far the proof of a partition is, and what it found."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.points.ledger.replay import Replayed
from services.points.seals.line import SealLine

MAX_FINDINGS = 100
"""Findings reported of one partition; a broken one may have millions."""


@dataclass(slots=True)
class Proof:
    """How far the proof of a partition is."""

    partition: int
    head_position: int
    head_hash: bytes
    seal_position: int = 0
    """The seal at which it began; 0 at the beginning of the journal."""
    position: int = 0
    chain_hash: bytes = b""
    """The journal's at the position."""
    entries: int = 0
    """Entries proved against the journal."""
    findings: list[str] = field(default_factory=list)
    done: bool = False
    kept_since: int = 0
    """The day from which on verdicts are kept."""
    replayed: Replayed | None = field(default_factory=Replayed)
    """What the tables must have; None where the state of a seal cannot be read."""
    parts: Sequence[bytes] = ()
    """The state to seal, where that was asked for."""
    line: SealLine = field(init=False)

    def __post_init__(self) -> None:
        self.line = SealLine((), (), self.find)

    def find(self, text: str) -> None:
        """Note what does not hold."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(text)
