#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# CPython's pools, locks and friends on the same work as pool.cpp and handover.cpp; one side of one row a run.
#
# cpython_pool.py pool|executor map_chunk_1|map|imap_unordered|round_trip|start
# cpython_pool.py handover semaphore|event|condition|barrier
import concurrent.futures
import json
import statistics
import sys
import time

from cpython_peer import FORK, calibrated_rate, join_all, now, start

PROCESSES = 2


def twice(x):
    return 2 * x


def expect_sum(total, count):
    if total != count * (count - 1):
        sys.exit(f"{count} tasks gave {total}")


def map_seconds(pool, what, count):
    begin = now()
    if what == "imap_unordered":
        total = sum(pool.imap_unordered(twice, range(count)))
    elif what == "map":
        total = sum(pool.map(twice, range(count)))
    else:
        total = sum(pool.map(twice, range(count), 1) if hasattr(pool, "apply") else pool.map(twice, range(count)))
    took = now() - begin
    expect_sum(total, count)
    return took


def median_us(call, seconds):
    """And how many calls it made."""
    samples, end, i = [], now() + seconds, 0
    while i < 60 or now() < end:
        begin = time.perf_counter_ns()
        call(i)
        if i > 50:
            samples.append(time.perf_counter_ns() - begin)
        i += 1
    return statistics.median(samples) / 1000, i


def make_pool():
    return FORK.Pool(PROCESSES)


def make_executor():
    return concurrent.futures.ProcessPoolExecutor(PROCESSES, mp_context=FORK)


def start_ms(make, apply, seconds):
    samples, end = [], now() + seconds
    while not samples or now() < end:
        begin = now()
        with make() as pool:
            apply(pool, 4)
        samples.append((now() - begin) * 1e3)
    return statistics.median(samples)


def measure_pool(side, what, seconds):
    make, apply = ((make_pool, lambda pool, x: pool.apply(twice, (x,))) if side == "pool" else
                   (make_executor, lambda pool, x: pool.submit(twice, x).result()))
    if what == "start":
        return start_ms(make, apply, seconds), "ms"
    with make() as pool:
        list(pool.map(twice, range(100)))
        if what == "round_trip":
            return median_us(lambda i: apply(pool, i), seconds)[0], "us"
        first = 100_000 if what == "map" else 500
        return calibrated_rate(first, seconds, lambda count: map_seconds(pool, what, count)), "task/s"


# ---- handover


def take(event):
    event.wait()
    event.clear()


def exchange_of(what):
    """(ask, answer)"""
    if what == "semaphore":
        there, back = FORK.Semaphore(0), FORK.Semaphore(0)
        return (lambda: (there.release(), back.acquire())), (lambda: (there.acquire(), back.release()))
    if what == "event":
        there, back = FORK.Event(), FORK.Event()
        return (lambda: (there.set(), take(back))), (lambda: (take(there), back.set()))
    if what == "barrier":
        barrier = FORK.Barrier(2)
        return barrier.wait, barrier.wait
    changed, turn = FORK.Condition(), FORK.Value("i", 0, lock=False)

    def ask():
        with changed:
            turn.value = 1
            changed.notify()
            changed.wait_for(lambda: turn.value == 0)

    def answer():
        with changed:
            changed.wait_for(lambda: turn.value == 1)
            turn.value = 0
            changed.notify()

    return ask, answer


def answer_all(answer, rounds):
    answered = 0
    while answered < rounds.value:
        answer()
        answered += 1


def ask_all(ask, rounds, results, seconds):
    result, asked = median_us(lambda _: ask(), seconds)
    rounds.value = asked + 1
    ask()
    results.put(result)


def handover(what, seconds):
    ask, answer = exchange_of(what)
    rounds, results = FORK.Value("q", 1 << 60, lock=False), FORK.SimpleQueue()
    children = [start(answer_all, answer, rounds), start(ask_all, ask, rounds, results, seconds)]
    value = results.get()
    join_all(children)
    return value, "us"


def main():
    side, what = sys.argv[1:3]
    seconds = next((float(word.split("=")[1]) for word in sys.argv[3:] if word.startswith("seconds=")), 0.3)
    value, unit = handover(what, seconds) if side == "handover" else measure_pool(side, what, seconds)
    print(json.dumps({"value": value, "unit": unit}))


if __name__ == "__main__":
    main()
