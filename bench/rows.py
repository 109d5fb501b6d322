# SPDX-License-Identifier: MIT
# What is measured: each row names polyproc's command and its peers', and the goal that polyproc has there.
from dataclasses import dataclass, field

BOOST, ZMQ, CPYTHON = "Boost message_queue", "ZeroMQ ipc", "CPython multiprocessing"
MSGPACK, PICKLE, SOCKET = "msgpack-cxx", "CPython pickle", "bare Unix socket"
SIZES = (8, 100, 1024, 65536, 1048576)
# Messages that a queue may hold, the same for all sides: at most 16 MiB of them.
# Messages that a queue may hold: some 4 MiB, as in the measurements that the goals come from; 16 MiB of long ones.
BOUND = {8: 100_000, 100: 40_000, 1024: 4000, 65536: 256, 1048576: 16}
LESS_IS_BETTER = {"us", "ns", "ms", "KiB", "MiB", "% of a core"}


@dataclass(frozen=True)
class Goal:
    """At least `ratio` times as good as `peer` (the best one where none is named), and no worse than `limit`."""
    ratio: float | None = None
    peer: str | None = None
    limit: float | None = None
    more: dict = field(default_factory=dict)  # ratios for further peers


@dataclass(frozen=True)
class Row:
    name: str
    size: int  # bytes of a message or of the shared value, 0 where there is none
    unit: str
    polyproc: list
    peers: dict = field(default_factory=dict)
    goal: Goal = Goal()

    @property
    def sides(self):
        return {"polyproc": self.polyproc, **self.peers}


def cpython(*arguments):
    return ["cpython_peer.py", *arguments]


def queue_row(name, side, size, producers, consumers, bound, goal):
    shape = [f"size={size}", f"producers={producers}", f"consumers={consumers}", f"bound={bound}"]
    peers = {BOOST: ["queue_throughput", "boost", *shape],
             ZMQ: ["queue_throughput", "zmq", *shape],
             CPYTHON: cpython("queue", *shape)}
    if bound == 0:
        del peers[BOOST]  # always bounded
    return Row(name, size, "msg/s", ["queue_throughput", side, *shape], peers, goal)


def queue_rows():
    ratios = {8: 10, 100: 8, 1024: 8, 65536: 2, 1048576: 2}
    for producers, consumers in ((1, 1), (4, 1), (2, 2)):
        for size in SIZES:
            many_ends = Goal(limit=20e6) if size == 8 else Goal()
            goal = Goal(ratio=ratios[size]) if producers == 1 else many_ends
            yield queue_row(f"queue_{producers}:{consumers}", "polyproc", size, producers, consumers, BOUND[size], goal)
    for size in SIZES[:3]:
        yield queue_row("queue_1:1_unbounded", "polyproc", size, 1, 1, 0, Goal())
    for size in SIZES[:3]:
        yield queue_row("queue_1:1_many", "polyproc_many", size, 1, 1, BOUND[size], Goal())


def typed_queue_rows():
    """Items that are encoded, beside plain Python's: str, dataclass, array.array."""
    for kind, size, bound in (("string", 100, 40_000), ("struct", 0, 40_000), ("doubles", 1048576, 16)):
        shape = [f"size={size}", f"bound={bound}"]
        yield Row(f"queue_of_{kind}", size, "msg/s", ["queue_throughput", f"polyproc_{kind}", *shape],
                  {CPYTHON: cpython("queue_of", kind, *shape)}, Goal(ratio=8))


def wait_rows():
    for queues in (1, 1000):
        words = [f"queues={queues}"]
        yield Row(f"wait_{queues}_queues", 8, "us", ["waiting", "polyproc", *words],
                  {CPYTHON: cpython("waiting", *words)}, Goal(ratio=1))


def round_trip_rows():
    goals = {"free": Goal(limit=0.5), "2_cores": Goal(limit=0.5), "1_core": Goal(ratio=1 / 1.2, peer="bare futex")}
    for placement, goal in goals.items():
        peers = {"bare futex": ["round_trip", "futex", placement],
                 BOOST: ["round_trip", "boost", placement],
                 ZMQ: ["round_trip", "zmq", placement],
                 CPYTHON: cpython("round_trip", placement)}
        yield Row(f"round_trip_{placement}", 8, "us", ["round_trip", "polyproc", placement], peers, goal)


def pipe_rows():
    for what, unit, sizes in (("round_trip", "us", SIZES[:2]), ("throughput", "msg/s", SIZES)):
        for size in sizes:
            words = [what, f"size={size}"]
            peers = {SOCKET: ["pipes", "socket", *words], CPYTHON: cpython("pipe", *words)}
            if what == "throughput":
                peers[BOOST] = ["queue_throughput", "boost", f"size={size}", "producers=1", "consumers=1", f"bound={BOUND[size]}"]
            elif size == 8:
                peers[BOOST] = ["round_trip", "boost", "free"]
            ratio = 3 if size == 1048576 else 0.8 if size <= 1024 else None
            yield Row(f"pipe_{what}", size, unit, ["pipes", "polyproc", *words], peers, Goal(ratio=ratio, peer=SOCKET))


MANAGER, SERVER = "CPython manager", "bare epoll server"


def manager_rows():
    # On one machine the calls go through shared memory; over TCP, the bare server is the measure.
    for tcp, kind in ((0, ""), (1, "_tcp")):
        for what, clients in (("get", 1), ("get", 4), ("set", 1), ("append", 1), ("queue", 1), ("create", 1)):
            words = [what, f"clients={clients}", f"tcp={tcp}"]
            peers = {MANAGER: cpython("manager", *words)}
            least = 10 if clients == 1 and not tcp else 1
            goal = Goal(ratio=least, peer=MANAGER)
            if what == "get":
                peers[SERVER] = ["manager", "socket", *words]
                goal = Goal(ratio=0.7, peer=SERVER, more={MANAGER: least})
            yield Row(f"manager_{what}{kind}{'_4_clients' if clients == 4 else ''}", 0, "call/s",
                      ["manager", "polyproc", *words], peers, goal)
    for what in ("median", "p99"):
        peers = {MANAGER: cpython("manager", what, "clients=1", "tcp=0"), SERVER: ["manager", "socket", what]}
        yield Row(f"manager_get_{what}", 0, "us", ["manager", "polyproc", what], peers, Goal())
    for what in ("pipelined", "batched"):
        peers = {MANAGER: cpython("manager", "get", "clients=1", "tcp=0")}
        yield Row(f"manager_get_{what}", 0, "call/s", ["manager", "polyproc", what], peers, Goal(ratio=30, peer=MANAGER))
    yield Row("manager_get_beside_1000_idle", 0, "call/s", ["manager", "polyproc", "get", "idle=1000"],
              {MANAGER: cpython("manager", "get", "clients=1", "tcp=0")}, Goal(ratio=1, peer=MANAGER))
    yield Row("manager_idle_client", 0, "KiB", ["manager", "memory", "idle"], {}, Goal(limit=16))
    yield Row("manager_idle_client_of_cpython", 0, "KiB", ["manager", "memory", "idle_cpython"], {}, Goal(limit=16))


POOL, EXECUTOR, MUTEX = "CPython Pool", "CPython ProcessPoolExecutor", "robust pthread mutex"
BOOST_MUTEX, BOOST_SEMAPHORE = "Boost interprocess_mutex", "Boost interprocess_semaphore"


def pool_rows():
    goals = {"map_chunk_1": 20, "map": 5, "imap_unordered": 10, "round_trip": 10, "start": 1}
    for what, ratio in goals.items():
        peers = {POOL: ["cpython_pool.py", "pool", what]}
        if what not in ("map", "imap_unordered"):
            peers[EXECUTOR] = ["cpython_pool.py", "executor", what]
        unit = {"round_trip": "us", "start": "ms"}.get(what, "task/s")
        yield Row(f"pool_{what}", 0, unit, ["pool", "polyproc", what], peers, Goal(ratio=ratio, peer=POOL))


def handover_rows():
    boost = {"semaphore": BOOST_SEMAPHORE, "condition": "Boost interprocess_condition"}
    for what in ("semaphore", "event", "condition", "barrier"):
        peers = {CPYTHON: ["cpython_pool.py", "handover", what]}
        if what in boost:
            peers[boost[what]] = ["handover", "boost", what]
        if what == "barrier":
            peers["pthread_barrier"] = ["handover", "pthread", what]
        yield Row(f"{what}_round_trip", 0, "us", ["handover", "polyproc", what], peers, Goal(ratio=1, peer=CPYTHON))


def lock_rows():
    for processes, ratio in ((1, 10), (2, 5)):
        words = ["increment", f"processes={processes}"]
        peers = {MUTEX: ["locks", "robust_mutex", *words], CPYTHON: cpython(*words)}
        yield Row(f"value_increment_{processes}", 8, "op/s", ["locks", "polyproc", *words], peers,
                  Goal(ratio=ratio, peer=CPYTHON))
    others = {MUTEX: "robust_mutex", BOOST_MUTEX: "boost_mutex", BOOST_SEMAPHORE: "boost_semaphore"}
    for processes in (2, 8):
        words = ["contended", f"processes={processes}"]
        peers = {name: ["locks", side, *words] for name, side in others.items()}
        yield Row(f"lock_contended_{processes}", 0, "op/s", ["locks", "polyproc", *words], peers)
    peers = {name: ["locks", side, "pair"] for name, side in others.items()} | {CPYTHON: cpython("pair")}
    yield Row("lock_pair", 0, "ns", ["locks", "polyproc", "pair"], peers, Goal(limit=20))


def process_rows():
    bare = {"fork": "bare fork + wait", "spawn": "posix_spawn + wait of an empty C++ program"}
    goals = {"fork": Goal(limit=3000), "spawn": Goal(ratio=0.8, peer=bare["spawn"])}
    for method, goal in goals.items():
        peers = {bare[method]: ["processes", "system", method], CPYTHON: cpython("start", method)}
        yield Row(f"start_join_{method}", 0, "starts/s", ["processes", "polyproc", method], peers, goal)
    peers = {CPYTHON: cpython("start", "forkserver")}
    yield Row("start_join_forkserver", 0, "starts/s", ["processes", "polyproc", "forkserver"], peers, Goal(limit=2500))
    large = "parent_mib=1024"
    peers = {"bare fork + wait": ["processes", "system", "fork", large]}
    yield Row("start_join_forkserver_1_GiB", 0, "starts/s", ["processes", "polyproc", "forkserver", large], peers, Goal(limit=2500))


def memory_rows():
    for name, unit, limit in (("first_queue", "KiB", None), ("empty_queue", "KiB", 64), ("drained_queue", "MiB", 4),
                              ("queue_waiters", "% of a core", 1), ("lock_waiters", "% of a core", 1),
                              ("semaphore_waiters", "% of a core", 1), ("event_waiters", "% of a core", 1),
                              ("condition_waiters", "% of a core", 1), ("barrier_waiters", "% of a core", 1),
                              ("killed_owner", "ms", 100)):
        yield Row(name, 0, unit, ["memory", "polyproc", name], {}, Goal(limit=limit))


def codec_rows():
    for what in ("int", "string", "struct", "floats", "dict"):
        peers = {MSGPACK: ["codec", "msgpack", what], PICKLE: cpython("codec", what)}
        yield Row(f"codec_{what}", 0, "ns", ["codec", "polyproc", what], peers,
                  Goal(ratio=0.7, peer=MSGPACK, more={PICKLE: 3}))


def all_rows():
    return [*codec_rows(), *queue_rows(), *typed_queue_rows(), *round_trip_rows(), *wait_rows(), *pipe_rows(), *manager_rows(), *lock_rows(), *handover_rows(), *pool_rows(), *process_rows(), *memory_rows()]
