"""Many lives: `python -m tests.points.model SEED [OPERATIONS]`.

It begins with the lives of SEED and goes on with those of the next seed until there were so many operations; without a
number it lives those of SEED alone. Each seed is printed before its lives begin: those that failed can be lived again.
Of many operations each method that changes something, and its bulk form, is one.
"""

import sys
from collections import Counter

from tests.points.good_requests import mutations
from tests.points.model.lives import NEW_YORK, live
from tests.points.model.promises import SHANGHAI

LIVES, STEPS = 40, 80
MANY = 30_000
LOOK_EVERY = 10
"""Steps from one comparison of everything to the next: what was done is compared at every step."""


def main(seed: int, operations: int = 1) -> None:
    """Live."""
    done: Counter[str] = Counter()
    while done.total() < operations:
        print(f"seed {seed}, after {done.total()} operations", flush=True)
        done += live(LIVES, STEPS, NEW_YORK if seed % 2 else SHANGHAI, seed, LOOK_EVERY).calls
        seed += 1
    print(f"{done.total()} operations", flush=True)
    if operations >= MANY:
        methods = {name for one in mutations() for name in (one.name, one.bulk and one.bulk.name) if name}
        assert methods <= done.keys(), methods - done.keys()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
