# SPDX-License-Identifier: MIT
# The other side of cpython_test.cpp, for Python 3.6 and later.
#
# cpython_peer.py write FILE    a generated set of values, pickled with each protocol this Python has
# cpython_peer.py check FILE    pickles of the same values, one after the other, that polyproc has written
#
# A file is a sequence of records: number of the value, protocol, length of the text, length of the pickle (four
# 64-bit words), the text of repr (empty where it cannot be compared), the pickle.
import pickle
import random
import struct
import sys

HEADER = struct.Struct("<4Q")
WORDS = ["", "a", "hello", "naïve", "日本語", "\U0001f600", "tab\tnew\nline\r", "quote'", 'both\'"', "\x00\x7f\x80\xff",
         "\ud800", "\udc80\udcff", "\udfff x", "a\ud83d\ude00b", "\\u0041", "x" * 300, "é" * 70000]


def integers(rng):
    for bits in (0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 1000, 2040, 2048, 5000):
        for delta in (-1, 0, 1):
            yield (1 << bits) + delta
            yield -(1 << bits) + delta
    for _ in range(50):
        yield rng.getrandbits(rng.randrange(1, 300)) * rng.choice((1, -1))


def floats(rng):
    yield from (0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e22, 1e-5, 1e-4, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"),
                123456789012345680.0, 2.0 ** 53, 2.0 ** 64)
    for _ in range(50):
        yield rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300)


def leaf(rng):
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind == 1:
        return rng.randrange(-300, 70000)
    if kind == 2:
        return rng.getrandbits(rng.randrange(1, 200)) * rng.choice((1, -1))
    if kind == 3:
        return rng.uniform(-1e9, 1e9)
    if kind == 4:
        return complex(rng.randrange(-5, 5), rng.uniform(-1, 1))
    if kind == 5:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
    if kind == 6:
        return bytearray(rng.randrange(256) for _ in range(rng.randrange(20)))
    return rng.choice(WORDS[:-1])


def key(rng, depth):
    if depth > 0 and rng.random() < 0.3:
        items = [key(rng, depth - 1) for _ in range(rng.randrange(5))]
        return tuple(items) if rng.random() < 0.6 else frozenset(items)
    value = leaf(rng)
    return bytes(value) if isinstance(value, bytearray) else value


def tree(rng, depth, shared):
    if depth == 0 or rng.random() < 0.25:
        return leaf(rng)
    if shared and rng.random() < 0.15:
        return rng.choice(shared)
    count = rng.choice((0, 1, 2, 3, 4, 7))
    kind = rng.randrange(6)
    if kind < 2:
        value = [tree(rng, depth - 1, shared) for _ in range(count)]
    elif kind == 2:
        value = tuple(tree(rng, depth - 1, shared) for _ in range(count))
    elif kind == 3:
        value = {key(rng, 2): tree(rng, depth - 1, shared) for _ in range(count)}
    elif kind == 4:
        value = {key(rng, 2) for _ in range(count)}
    else:
        value = frozenset(key(rng, 2) for _ in range(count))
    shared.append(value)
    return value


def recursive():
    loop = []
    loop.append(loop)
    yield loop
    table = {}
    table["self"] = table
    yield table
    inside = ([],)
    inside[0].append(inside)
    yield inside
    first, second = [1], [2]
    first.append(second)
    second.append((first, second))
    yield [first, second, first]
    yield from ({1: (inside, inside), 2: loop}, [table, table])


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def values():
    rng = random.Random(7)
    yield from (None, True, False, [], (), {}, set(), frozenset(), b"", bytearray(), "")
    yield from integers(rng)
    yield from floats(rng)
    yield from WORDS
    yield from (1 + 2j, -0j, complex(0, 1), complex(-0.0, 2.5), bytes(range(256)), bytearray(range(256)))
    yield from ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [()], [[], (1, 2, 3, 4)], {(1, (2, 3)): 4})
    yield from recursive()
    yield nested(200)
    yield list(range(5000))
    yield {"key%d" % i: i for i in range(3000)}
    yield b"\x80" * 100000
    for _ in range(400):
        yield tree(rng, 5, [])
    yield [i * 0.5 for i in range(1000000)]


def has_set(value, seen):
    if isinstance(value, (set, frozenset)):
        return len(value) > 1 or any(has_set(v, seen) for v in value)
    if isinstance(value, (list, tuple, dict)):
        if id(value) in seen:
            return False
        seen.add(id(value))
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return any(has_set(v, seen) for v in parts)
    return False


def write(path):
    with open(path, "wb") as file:
        for number, value in enumerate(values()):
            large = isinstance(value, list) and len(value) > 100000
            text = "" if large or has_set(value, set()) else repr(value)
            text = text.encode("utf-8", "surrogatepass")
            for protocol in ((4,) if large else range(pickle.HIGHEST_PROTOCOL + 1)):
                data = pickle.dumps(value, protocol)
                file.write(HEADER.pack(number, protocol, len(text), len(data)) + text + data)


def same(left, right):
    """Equal in type, order and identity of parts, without recursion."""
    pending, paired = [(left, right)], {}
    while pending:
        a, b = pending.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, (list, tuple, dict)):
            if not isinstance(a, tuple) or a:
                if id(a) in paired:
                    if paired[id(a)] != id(b):
                        return False
                    continue
                paired[id(a)] = id(b)
            if len(a) != len(b):
                return False
            if isinstance(a, dict):
                pending.extend(zip(a.keys(), b.keys()))
                pending.extend(zip(a.values(), b.values()))
            else:
                pending.extend(zip(a, b))
        elif isinstance(a, float):
            if struct.pack("<d", a) != struct.pack("<d", b):
                return False
        elif isinstance(a, complex):
            if struct.pack("<2d", a.real, a.imag) != struct.pack("<2d", b.real, b.imag):
                return False
        elif a != b:
            return False
    return True


def read_records(path):
    with open(path, "rb") as file:
        while True:
            header = file.read(HEADER.size)
            if not header:
                return
            number, protocol, text, length = HEADER.unpack(header)
            file.read(text)
            yield number, protocol, file.read(length)


def check(path):
    originals = list(values())
    count = 0
    for number, protocol, data in read_records(path):
        if protocol > pickle.HIGHEST_PROTOCOL:
            continue
        found = pickle.loads(data)
        if not same(originals[number], found):
            sys.exit("value %d, protocol %d: %.200r is not %.200r" % (number, protocol, found, originals[number]))
        count += 1
    print(count)


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
