"""F11: an exception in every actor, and memory that runs out: the process ends, it never limps."""

from rig import eventually, shim
from rows import Row

# (node, point that its actor passes): port, core, log and lane of the backend, the others' ports.
HANDLERS = (("backend-1", "heartbeat"), ("backend-1", "received"), ("backend-1", "decided"),
            ("backend-1", "before_log"), ("backend-1", "before_seal"), ("backend-1", "after_log"),
            ("backend-1", "db_begin"), ("backend-1", "lane_done"), ("backend-1", "result_sent"),
            ("broker-1", "heartbeat"), ("webapp-1", "heartbeat"))


def thrown(trial):
    node, point = HANDLERS[trial.number // 2 % len(HANDLERS)]
    trial.start(stock=100_000)
    trial.sell_past(point, rate=800)
    trial.await_answers(40)
    trial.die_at(node, f"{point}=throw@{trial.random.randint(1, 3)}")
    trial.expect(trial.rig.exits(node)[0] == "exit 70",
                 f"{node} after an exception at {point}: {trial.rig.exits(node)}")
    trial.answered_again()
    trial.judge()
    trial.note("exceptions")


def out_of_memory(trial):
    armed = trial.rig.run / "torture.armed"
    trial.rig.fresh()
    backend = trial.rig.node("backend", LD_PRELOAD=shim("alloc_fail"),
                             ALLOC_FAIL_AT=str(trial.random.randint(1, 5000)),
                             ALLOC_FAIL_ARMED=str(armed))
    trial.begin(stock=100_000)
    trial.sell(rate=800)
    trial.await_answers(40)
    armed.touch()
    # A library may report it as an error that is tried again; then everything must go on.
    if eventually(lambda: backend.poll() is not None, 10):
        trial.expect(backend.returncode != 0, "the backend ended with 0")
        trial.note("bad_alloc")
    else:
        trial.note("survived")
    trial.answered_again()
    trial.judge()


def f11(trial):
    return out_of_memory(trial) if trial.number % 2 else thrown(trial)


ROWS = [
    Row("F11", "exception in each actor; the n-th allocation fails", f11, (22, 66, 10_000),
        "each x3 / each x50 / n = 1..5000"),
]
