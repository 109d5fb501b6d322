# SPDX-License-Identifier: MIT
# The other side of cpython_test.cpp for values of classes that polyproc knows nothing of.
#
# cpython_classes_peer.py write FILE    pickles of them, with each protocol from 3
# cpython_classes_peer.py check FILE    the same, after polyproc has read and written them
import array
import collections
import datetime
import decimal
import enum
import fractions
import operator
import os.path
import pickle
import queue
import struct
import sys
import uuid

HEADER = struct.Struct("<4Q")


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self):
        return hash((self.x, self.y))

    class Inner:
        def __eq__(self, other):
            return type(other) is type(self)


class Slots:
    __slots__ = ("a", "b")

    def __eq__(self, other):
        return (self.a, self.b) == (other.a, other.b)


class Keyword:
    def __new__(cls, *, name):
        self = super().__new__(cls)
        self.name = name
        return self

    def __getnewargs_ex__(self):
        return (), {"name": self.name}

    def __eq__(self, other):
        return self.name == other.name


class Stack(list):
    pass


class Table(dict):
    pass


class Bag(set):
    pass


class Color(enum.Enum):
    RED = 1
    BLUE = "b"


Pair = collections.namedtuple("Pair", "left right")


class Link:
    pass


def slots():
    value = Slots()
    value.a, value.b = 1, [2]
    return value


def stack():
    value = Stack([1, [2], "three"])
    value.name = "named"
    return value


def table():
    value = Table(a=1, b=[2])
    value.owner = Point(1, 2)
    return value


def ring():
    first, second = Link(), Link()
    first.next, second.next = second, first
    first.me = first
    return first


def is_ring(value):
    return type(value) is Link and value.next.next is value and value.me is value


def is_error(kind, *arguments):
    return lambda value: type(value) is kind and value.args == arguments


def is_twice(value):
    return value[0] is value[1] and value[0] == Point(1, 2)


def is_stack(value):
    return type(value) is Stack and value == [1, [2], "three"] and value.name == "named"


def is_table(value):
    return type(value) is Table and value == {"a": 1, "b": [2]} and value.owner == Point(1, 2)


def is_default(value):
    return value == {"a": [1]} and value.default_factory is list


def values():
    """Each with what must hold for what comes back; None: it is equal."""
    for value in (decimal.Decimal("1.50"), fractions.Fraction(1, 3), uuid.UUID(int=5), datetime.datetime(2024, 2, 29, 12, 0, 1),
                  datetime.timedelta(1, 2, 3), datetime.date(1, 1, 1), range(1, 10, 3), array.array("d", [1.5, 2.5]),
                  array.array("i"), collections.OrderedDict([("b", 1), ("a", [2])]), collections.Counter("hello"),
                  collections.deque([1, [2], 3], 5), Point(1, [2]), Point.Inner(), slots(), Keyword(name="n"), Color.RED,
                  [Color.BLUE, Color.RED], Pair(1, [2]), Bag([1, 2]), int, len, os.path.join, Point, collections.OrderedDict,
                  {Color.RED: 1, Point(1, 2): 2, decimal.Decimal(1): 3, uuid.UUID(int=6): 4}, {Pair(1, 2), (Color.RED,)},
                  operator.itemgetter(1, 2).__reduce__()[1], Ellipsis, NotImplemented, bytes, set, {"class": set}, bytearray,
                  [set, set([1]), frozenset], slice):
        yield value, None
    yield KeyError("k"), is_error(KeyError, "k")
    yield OSError(2, "gone"), is_error(FileNotFoundError, 2, "gone")
    yield queue.Empty(), is_error(queue.Empty)
    yield ring(), is_ring
    yield [Point(1, 2)] * 2, is_twice
    yield stack(), is_stack
    yield table(), is_table
    yield collections.defaultdict(list, {"a": [1]}), is_default


def write(path):
    with open(path, "wb") as file:
        for number, (value, _) in enumerate(values()):
            for protocol in range(3, pickle.HIGHEST_PROTOCOL + 1):
                data = pickle.dumps(value, protocol)
                file.write(HEADER.pack(number, protocol, 0, len(data)) + data)


def check(path):
    originals = list(values())
    count = 0
    with open(path, "rb") as file:
        while header := file.read(HEADER.size):
            number, protocol, _, length = HEADER.unpack(header)
            data = file.read(length)
            if protocol > pickle.HIGHEST_PROTOCOL:
                continue
            found = pickle.loads(data)
            original, holds = originals[number]
            if not (holds(found) if holds else type(found) is type(original) and found == original):
                sys.exit("value %d, protocol %d: %.200r is not %.200r" % (number, protocol, found, original))
            count += 1
    if count < 2 * len(originals):
        sys.exit("%d values came back, of %d" % (count, len(originals)))


{"write": write, "check": check}[sys.argv[1]](sys.argv[2])
