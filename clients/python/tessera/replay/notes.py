"""What a replay notes about itself, so that an interrupted one goes on and counts every refusal once."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tessera.complaints import Complaint

FILE = "replay-grocer.json"


class OtherSlice(Complaint):
    """The suite has already lived through another slice of the year."""


@dataclass(slots=True)
class Notes:
    """How far the replay is. Written after each day, before the clock moves on."""

    file: Path
    slice: str
    """What is replayed: households and days."""
    done_through: date | None = None
    """The last day of which everything was answered."""
    refusals: Counter[str] = field(default_factory=Counter)
    """By what was refused and why, up to that day."""
    seconds: float = 0.0
    """Time spent so far, over all runs."""

    @classmethod
    def read(cls, data: Path, part: str) -> "Notes":
        """The notes kept in a suite's data directory; fresh ones when there are none. Raises OtherSlice."""
        file = data / FILE
        if not file.exists():
            return cls(file, part)
        kept = json.loads(file.read_text())
        if kept["slice"] != part:
            raise OtherSlice(f"this suite has replayed {kept['slice']}; replay {part} on another (other --data)")
        done = date.fromisoformat(kept["done_through"]) if kept["done_through"] else None
        return cls(file, part, done, Counter(kept["refusals"]), kept["seconds"])

    def is_done(self, day: date) -> bool:
        """Whether everything of a day was answered."""
        return self.done_through is not None and day <= self.done_through

    def finish(self, day: date, refusals: Counter[str], seconds: float) -> None:
        """Note that a day is done."""
        self.done_through = day
        self.refusals += refusals
        self.seconds += seconds
        kept = {
            "slice": self.slice,
            "done_through": day.isoformat(),
            "refusals": self.refusals,
            "seconds": self.seconds,
        }
        draft = self.file.with_suffix(".draft")
        draft.write_text(json.dumps(kept))
        draft.replace(self.file)
