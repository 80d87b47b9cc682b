"""The rows of the fault matrix that are run here: name, what is broken, how many trials, how."""

from dataclasses import dataclass
from typing import Callable

TIERS = ("quick", "long", "release")


@dataclass(frozen=True)
class Row:
    name: str
    about: str
    run: Callable  # (trial) -> None; raises Violation
    trials: tuple  # quick, long, release
    asked: str  # the counts of the design, for the same three tiers
    limit_s: int = 150  # a trial that takes longer has hung

    def count(self, tier):
        return self.trials[TIERS.index(tier)]


def all_rows():
    import rows_actors
    import rows_clients
    import rows_copies
    import rows_crash
    import rows_database
    import rows_disk
    import rows_nodes
    import rows_payments
    import rows_snapshots
    import rows_strangers
    rows = [row for module in (rows_crash, rows_disk, rows_nodes, rows_actors, rows_database,
                               rows_clients, rows_copies, rows_payments, rows_snapshots,
                               rows_strangers)
            for row in module.ROWS]
    return sorted(rows, key=lambda row: int(row.name[1:]))
