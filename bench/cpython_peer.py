#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CPython's multiprocessing on the same work as the C++ programs beside this file; one side of one row a run.
#
# cpython_peer.py queue [size=8] [producers=1] [consumers=1] [bound=0]
# cpython_peer.py queue_of string|struct|doubles [size=100] [bound=0]      cpython_peer.py waiting [queues=1000]
# cpython_peer.py round_trip free|2_cores|1_core      cpython_peer.py pair
# cpython_peer.py codec int|string|struct|floats|dict   cpython_peer.py pipe throughput|round_trip [size=8]
# cpython_peer.py manager get|set|append|queue|create|median|p99 [clients=1] [tcp=0]
# cpython_peer.py increment [processes=1]             cpython_peer.py start fork|spawn
import array
import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import os
import pickle
import resource
import signal
import statistics
import sys
import time
from multiprocessing.managers import SyncManager

LIMIT_SECONDS = 35
FORK = multiprocessing.get_context("fork")
now = time.monotonic


def calibrated_rate(first, seconds, run):
    """run(count) -> seconds taken. Operations per second of a run that takes about `seconds`."""
    count = first
    while True:
        took = run(count)
        if took >= seconds * 0.6:
            return count / took
        count = int(count * min(max(seconds / took, 1.5), 30))


def cpus_of(placement):
    cpus = sorted(os.sched_getaffinity(0))
    if placement == "2_cores" and len(cpus) < 2:
        print("needs two processors", file=sys.stderr)
        sys.exit(77)
    return {"free": [None, None], "2_cores": [{cpus[0]}, {cpus[-1]}], "1_core": [{cpus[0]}] * 2}[placement]


def in_child(body, cpus, *args):
    signal.alarm(LIMIT_SECONDS)
    if cpus:
        os.sched_setaffinity(0, cpus)
    body(*args)


def start(body, *args, cpus=None):
    process = FORK.Process(target=in_child, args=(body, cpus, *args), daemon=True)
    process.start()
    return process


def join_all(processes):
    for process in processes:
        process.join(LIMIT_SECONDS)
        if process.exitcode != 0:
            sys.exit(f"a child of the benchmark failed: {process.exitcode}")


# ---- queue: 16 messages in turn, told apart by their first byte; numbers where the size is that of one


def messages_of(size):
    return [bytes([i]) + b"x" * (size - 1) for i in range(16)]


def produce(queue, gate, size, count):
    messages = messages_of(size)
    gate.wait()
    if size == 8:
        for i in range(count):
            queue.put(i)
    else:
        for i in range(count):
            queue.put(messages[i & 15])


def consume(queue, gate, results, size, count, alone):
    total = 0
    gate.wait()
    began = now()
    for i in range(count):
        item = queue.get()
        mark = item if size == 8 else item[0]
        if alone and mark != (i if size == 8 else i & 15):
            sys.exit(f"message {i} is {mark}")
        total += mark
    results.put((began, now(), total))


def transfer_seconds(size, producers, consumers, bound, count):
    each = max(count // (producers * consumers), 16) * consumers  # the same number to every consumer
    queue, results, gate = FORK.Queue(bound), FORK.SimpleQueue(), FORK.Barrier(producers + consumers)
    share = each * producers // consumers
    alone = producers == consumers == 1
    children = [start(consume, queue, gate, results, size, share, alone) for _ in range(consumers)]
    children += [start(produce, queue, gate, size, each) for _ in range(producers)]
    ends = [results.get() for _ in range(consumers)]
    join_all(children)
    marks = range(each) if size == 8 else (i & 15 for i in range(each))
    if sum(total for _, _, total in ends) != producers * sum(marks):
        sys.exit("messages are missing or doubled")
    took = max(end for _, end, _ in ends) - min(began for began, _, _ in ends)
    return took * count / (each * producers)


def queue(arguments, seconds):
    shape = [int(arguments.get(name, default)) for name, default in
             (("size", 8), ("producers", 1), ("consumers", 1), ("bound", 0))]
    first = max(50, 2_000_000 // (1000 + shape[0]))
    return calibrated_rate(first, seconds, lambda count: transfer_seconds(*shape, count)), "msg/s"


# ---- queues of other kinds of items


@dataclasses.dataclass
class Order:
    number: int
    price: float = 12.5
    customer: str = "a customer's name"
    parts: list = dataclasses.field(default_factory=lambda: [1, 2, 3, 4])
    paid: bool = False


def items_of(kind, size):
    if kind == "string":
        return [chr(97 + i) * size for i in range(16)]
    if kind == "struct":
        return [Order(i) for i in range(16)]
    return [array.array("d", [i] + [1.5] * (size // 8 - 1)) for i in range(16)]


def produce_items(queue, gate, kind, size, count):
    items = items_of(kind, size)
    gate.wait()
    for i in range(count):
        queue.put(items[i & 15])


def consume_items(queue, gate, results, kind, size, count):
    items = items_of(kind, size)
    gate.wait()
    began = now()
    for i in range(count):
        item, expected = queue.get(), items[i & 15]
        if type(item) is not type(expected) or (item.number if kind == "struct" else item[0]) != (
                expected.number if kind == "struct" else expected[0]):
            sys.exit(f"item {i} is another")
    results.put(now() - began)


def items_seconds(kind, size, bound, count):
    queue, results, gate = FORK.Queue(bound), FORK.SimpleQueue(), FORK.Barrier(2)
    children = [start(consume_items, queue, gate, results, kind, size, count),
                start(produce_items, queue, gate, kind, size, count)]
    took = results.get()
    join_all(children)
    return took


def queue_of(arguments, seconds):
    kind, size, bound = arguments["what"], int(arguments.get("size", 100)), int(arguments.get("bound", 0))
    first = max(20, 1_000_000 // (1000 + size))
    return calibrated_rate(first, seconds, lambda count: items_seconds(kind, size, bound, count)), "msg/s"


# ---- waiting for many queues


def waiting_answer(queues, back):
    by_reader = {queue._reader: queue for queue in queues}
    while True:
        for reader in multiprocessing.connection.wait(list(by_reader)):
            number = by_reader[reader].get()
            if number == 0:
                return
            back.put(number)


def waiting_ask(queues, back, results, seconds):
    samples, warm_up, i = [], 50, 1
    stop = now() + seconds
    while i <= warm_up + 1 or now() < stop:
        begin = time.perf_counter_ns()
        queues[i * 7 % len(queues)].put(i)
        if back.get() != i:
            sys.exit("the answer to another question")
        samples.append(time.perf_counter_ns() - begin)
        i += 1
    queues[0].put(0)
    results.put(statistics.median(samples[warm_up:]) / 1000)


def waiting(arguments, seconds):
    """SimpleQueue, whose reading end can be waited for; two descriptors each."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    queues = [FORK.SimpleQueue() for _ in range(int(arguments.get("queues", 1000)))]
    back, results = FORK.SimpleQueue(), FORK.SimpleQueue()
    children = [start(waiting_answer, queues, back), start(waiting_ask, queues, back, results, seconds)]
    value = results.get()
    join_all(children)
    return value, "us"


# ---- round trips


def answer(there, back):
    while (number := there.get()) is not None:
        back.put(number)


def ask(there, back, results, seconds):
    samples, warm_up, i = [], 200, 0
    end = now() + seconds
    while i <= warm_up or now() < end:
        begin = time.perf_counter_ns()
        there.put(i)
        if back.get() != i:
            sys.exit("the answer to another question")
        samples.append(time.perf_counter_ns() - begin)
        i += 1
    there.put(None)
    results.put(statistics.median(samples[warm_up:]) / 1000)


def round_trip(arguments, seconds):
    there, back, results = FORK.Queue(), FORK.Queue(), FORK.SimpleQueue()
    first, second = cpus_of(arguments["what"])
    children = [start(ask, there, back, results, seconds, cpus=first), start(answer, there, back, cpus=second)]
    value = results.get()
    join_all(children)
    return value, "us"


# ---- pipes


def pipe_produce(end, gate, size, count):
    messages = messages_of(size)
    gate.wait()
    for i in range(count):
        end.send_bytes(messages[i & 15])


def pipe_consume(end, gate, results, size, count):
    gate.wait()
    began = now()
    for i in range(count):
        message = end.recv_bytes()
        if len(message) != size or message[0] != i & 15:
            sys.exit(f"message {i} is {message[0]}")
    results.put(now() - began)


def pipe_seconds(size, count):
    (receiving, sending), results, gate = FORK.Pipe(False), FORK.SimpleQueue(), FORK.Barrier(2)
    children = [start(pipe_consume, receiving, gate, results, size, count), start(pipe_produce, sending, gate, size, count)]
    took = results.get()
    join_all(children)
    return took


def pipe_answer(end):
    while message := end.recv_bytes():
        end.send_bytes(message)


def pipe_ask(end, results, size, seconds):
    samples, messages, warm_up, i = [], messages_of(size), 200, 0
    stop = now() + seconds
    while i <= warm_up or now() < stop:
        begin = time.perf_counter_ns()
        end.send_bytes(messages[i & 15])
        if end.recv_bytes()[0] != i & 15:
            sys.exit("the answer to another question")
        samples.append(time.perf_counter_ns() - begin)
        i += 1
    end.send_bytes(b"")
    results.put(statistics.median(samples[warm_up:]) / 1000)


def pipe(arguments, seconds):
    size = int(arguments.get("size", 8))
    if arguments["what"] == "throughput":
        first = max(50, 2_000_000 // (1000 + size))
        return calibrated_rate(first, seconds, lambda count: pipe_seconds(size, count)), "msg/s"
    (here, there), results = FORK.Pipe(), FORK.SimpleQueue()
    children = [start(pipe_answer, there), start(pipe_ask, here, results, size, seconds)]
    value = results.get()
    join_all(children)
    return value, "us"


# ---- managers


def manager_client(address, what, seconds, results):
    manager = SyncManager(address, b"a key")
    manager.connect()
    table, items, channel = manager.dict(key=1), manager.list(), manager.Queue()

    def put_and_get():
        channel.put(1)
        channel.get()

    call = {"set": lambda: table.__setitem__("key", 1), "append": lambda: items.append(1), "queue": put_and_get,
            "create": manager.dict}.get(what, lambda: table["key"])
    for _ in range(20):
        call()
    samples, begin = [], now()
    while now() - begin < seconds:
        asked = time.perf_counter_ns()
        call()
        samples.append(time.perf_counter_ns() - asked)
    results.put(samples)


def manager(arguments, seconds):
    what, clients = arguments["what"], int(arguments.get("clients", 1))
    address = ("127.0.0.1", 0) if int(arguments.get("tcp", 0)) else None
    server = SyncManager(address, b"a key", ctx=FORK)
    server.start()
    results = FORK.SimpleQueue()
    children = [start(manager_client, server.address, what, seconds, results) for _ in range(clients)]
    samples = sorted(sample for _ in children for sample in results.get())
    join_all(children)
    server.shutdown()
    if what in ("median", "p99"):
        return samples[len(samples) * (50 if what == "median" else 99) // 100] / 1000, "us"
    return len(samples) / seconds, "call/s"


# ---- locks


def pair(_arguments, seconds):
    lock, count, begin = FORK.Lock(), 0, now()
    while now() - begin < seconds:
        for _ in range(1000):
            lock.acquire()
            lock.release()
        count += 1000
    return (now() - begin) / count * 1e9, "ns"


def increment_times(value, gate, results, count):
    lock = value.get_lock()
    gate.wait()
    began = now()
    for _ in range(count):
        with lock:
            value.value += 1
    results.put((began, now()))


def increment_seconds(processes, count):
    each = count // processes
    value, results, gate = FORK.Value("q", 0), FORK.SimpleQueue(), FORK.Barrier(processes)
    children = [start(increment_times, value, gate, results, each) for _ in range(processes)]
    times = [results.get() for _ in range(processes)]
    join_all(children)
    if value.value != each * processes:
        sys.exit(f"{each * processes} increments made {value.value}")
    return max(end for _, end in times) - min(began for began, _ in times)


def increment(arguments, seconds):
    processes = int(arguments.get("processes", 1))
    return calibrated_rate(10_000, seconds, lambda count: increment_seconds(processes, count)), "op/s"


# ---- processes


def nothing():
    pass


def start_and_join(context):
    process = context.Process(target=nothing)
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit("a child failed")


def start_rate(arguments, seconds):
    context = multiprocessing.get_context(arguments["what"])
    start_and_join(context)
    count, begin = 0, now()
    while now() - begin < 2 * seconds:
        start_and_join(context)
        count += 1
    return count / (now() - begin), "starts/s"


# ---- values to bytes and back, as multiprocessing pickles them


CODEC_VALUES = {"int": lambda: 123456, "string": lambda: "x" * 100,
                "struct": lambda: (7, "name of it", 1.5, True, [1, 2, 3]),
                "floats": lambda: [i * 0.5 for i in range(1000)],
                "dict": lambda: {"key number %d" % i: i for i in range(100)}}


def codec(arguments, seconds):
    value, dumps, loads = CODEC_VALUES[arguments["what"]](), pickle.dumps, pickle.loads
    if loads(dumps(value)) != value:
        sys.exit("the value has changed")
    count, begin = 0, now()
    while now() - begin < seconds:
        for _ in range(100):
            loads(dumps(value))
        count += 100
    return (now() - begin) / count * 1e9, "ns"


WORK = {"codec": codec, "queue": queue, "queue_of": queue_of, "waiting": waiting, "pipe": pipe, "round_trip": round_trip, "pair": pair, "increment": increment, "start": start_rate,
        "manager": manager}


def main():
    arguments = dict(word.split("=") for word in sys.argv[2:] if "=" in word)
    arguments["what"] = next((word for word in sys.argv[2:] if "=" not in word), "")
    value, unit = WORK[sys.argv[1]](arguments, float(arguments.get("seconds", 0.3)))
    print(json.dumps({"value": value, "unit": unit}))


if __name__ == "__main__":
    main()
