# SPDX-License-Identifier: MIT
"""An unmodified CPython SyncManager as the client of a polyproc server: every type and method of its, each beside the same call on
an object of Python's own. Usage: cpython_client.py ADDRESS KEY"""
import array
import copy
import gc
import multiprocessing
import queue
import sys
import threading
import time
from multiprocessing.managers import BaseProxy, RemoteError, SyncManager


class Point:
    """A class that the server knows nothing of."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return type(other) is Point and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))


def outcome(call):
    try:
        return call()
    except Exception as error:  # the type and the arguments are what is compared
        return type(error)


def same(ours, theirs, call):
    """The same result or exception, and the same value afterwards."""
    mine, right = outcome(lambda: call(ours)), outcome(lambda: call(theirs))
    assert mine == right, f'{mine!r} where Python has {right!r}'
    assert ours._getvalue() == theirs, f'{ours!r} where Python has {theirs!r}'
    assert str(ours) == str(theirs), (str(ours), str(theirs))


def check_list(manager):
    ours, theirs = manager.list(range(10)), list(range(10))
    for call in [
        lambda x: x.append('a'), lambda x: x.extend((1, 2, 3)), lambda x: x.extend('xy'), lambda x: x[0],
        lambda x: x[-1], lambda x: x[100], lambda x: x['a'], lambda x: x[2:5], lambda x: x[::-1], lambda x: x[::3],
        lambda x: x[-3:], lambda x: x[5:2], lambda x: x[::0], lambda x: x.__setitem__(0, 'z'),
        lambda x: x.__setitem__(99, 1), lambda x: x.__setitem__(slice(1, 3), ['p', 'q', 'r']),
        lambda x: x.__setitem__(slice(None, None, 4), [1, 2]), lambda x: x.__setitem__(slice(0, 0), (7, 8)),
        lambda x: x.__delitem__(0), lambda x: x.__delitem__(slice(1, 8, 3)), lambda x: x.__delitem__(77),
        lambda x: len(x), lambda x: 'a' in x, lambda x: 'no' in x, lambda x: x.count(2), lambda x: x.index('a'),
        lambda x: x.index('no'), lambda x: x.insert(1, None), lambda x: x.insert(-1, True),
        lambda x: x.insert(1000, 'end'), lambda x: x.pop(), lambda x: x.pop(0), lambda x: x.pop(100),
        lambda x: x.remove('a'), lambda x: x.remove('gone'), lambda x: x.reverse(), lambda x: list(x),
        lambda x: x + [1], lambda x: x * 2, lambda x: 2 * x, lambda x: list(reversed(x)), lambda x: x.sort(),
        lambda x: x.append(), lambda x: x.append(1, 2),
    ]:
        same(ours, theirs, call)
    ours += ['added']
    theirs += ['added']
    ours *= 2
    theirs *= 2
    assert ours._getvalue() == theirs
    for values in [[3, 1.5, True, 10**30, -5], ['b', 'a', 'é', '\ud800', 'z'], [(2, 'a'), (1, 'b'), (1, 'a')],
                   [[1, 2], [1], []], [b'b', b'a'], [1, 'a'], [None, 1], [{}, {}], [1e300, 10**400, -10**400],
                   [float('inf'), 1, float('-inf')], [2**53 + 1, float(2**53)], [frozenset({1}), frozenset()]]:
        for reverse in False, True:
            ours, theirs = manager.list(values), list(values)
            same(ours, theirs, lambda x: x.sort(reverse=reverse))
    try:
        manager.list([1]).sort(key=len)
        raise AssertionError('a key function was taken')
    except TypeError as error:
        assert 'key' in str(error)
    try:
        manager.list([Point(1, 2), Point(0, 0)]).sort()
        raise AssertionError('values of an unknown class were ordered')
    except TypeError:
        pass


def check_dict(manager):
    ours, theirs = manager.dict({'a': 1}, b=2), dict({'a': 1}, b=2)
    for call in [
        lambda x: x.__setitem__('c', [1, 2]), lambda x: x.__setitem__(1, 'one'), lambda x: x[1.0], lambda x: x[True],
        lambda x: x['no'], lambda x: x.__delitem__('no'), lambda x: x.__delitem__('a'), lambda x: len(x),
        lambda x: 'b' in x, lambda x: x.get('b'), lambda x: x.get('no'), lambda x: x.get('no', 5),
        lambda x: list(x.items()), lambda x: list(x.keys()), lambda x: list(x.values()), lambda x: sorted(map(str, x)),
        lambda x: x.pop('b'), lambda x: x.pop('no'), lambda x: x.pop('no', 3), lambda x: x.setdefault('d'),
        lambda x: x.setdefault('e', 6), lambda x: x.setdefault('e', 7), lambda x: x.update({'f': 1, 'g': 2}),
        lambda x: x.update([('h', 1), ['i', 2]]), lambda x: x.update(j=1, k=2), lambda x: x.update([(1, 2, 3)]),
        lambda x: x.popitem(), lambda x: x.copy(), lambda x: x.__setitem__([], 1), lambda x: x.get({}),
        lambda x: x.__setitem__((1, 'a', None), {'nested': [1, {2}]}), lambda x: x.clear(), lambda x: x.popitem(),
    ]:
        same(ours, theirs, call)
    ours.update({i: str(i) for i in range(1000)})
    assert sum(1 for _ in ours) == 1000
    for left in range(999, -1, -1):
        assert ours.popitem() == (left, str(left))
    assert copy.deepcopy(manager.dict({'x': [1]})) == {'x': [1]}


def check_values(manager):
    value = manager.Value('i', 5)
    value.value += 1
    assert value.value == 6 and value.get() == 6
    value.set(7)
    assert value.value == 7 and str(value) == "Value('i', 7)"
    ours, theirs = manager.Array('d', [1, 2.5]), array.array('d', [1, 2.5])
    for call in [lambda x: x[0], lambda x: x[1:], lambda x: x[5], lambda x: len(x), lambda x: list(x),
                 lambda x: x.__setitem__(0, 9), lambda x: x.__setitem__(0, 'a'),
                 lambda x: x.__setitem__(slice(0, 1), array.array('d', [4, 5, 6]))]:
        same(ours, theirs, call)
    assert outcome(lambda: manager.Array('b', [200])) is RemoteError
    assert outcome(lambda: manager.Array('?', [])) is RemoteError
    for code, items in {'b': [-1, 127], 'B': [255], 'h': [-300], 'H': [65535], 'i': [-2**31], 'I': [2**32 - 1],
                        'q': [-2**63], 'Q': [2**64 - 1], 'f': [0.5, 1e10], 'd': [1e-300]}.items():
        assert manager.Array(code, items)[:] == array.array(code, items)
        assert manager.list([array.array(code, items)])[0] == array.array(code, items)
    space = manager.Namespace(x=1)
    space.y = [1, 2]
    assert (space.x, space.y) == (1, [1, 2]) and str(space) == 'Namespace(x=1, y=[1, 2])'
    del space.x
    assert outcome(lambda: space.x) is AttributeError
    assert outcome(lambda: space.__delattr__('x')) is AttributeError


def check_queue(manager):
    for ours in manager.Queue(3), manager.JoinableQueue(3):
        theirs = queue.Queue(3)
        for call in [lambda x: x.empty(), lambda x: x.put(1), lambda x: x.put('two', timeout=1), lambda x: x.put_nowait(3),
                     lambda x: x.put_nowait(4), lambda x: x.put(4, False), lambda x: x.put(4, timeout=0.01), lambda x: x.full(),
                     lambda x: x.qsize(), lambda x: x.get(), lambda x: x.get(timeout=1), lambda x: x.get_nowait(),
                     lambda x: x.get_nowait(), lambda x: x.get(False), lambda x: x.get(True, 0.01),
                     lambda x: x.get(timeout=-1), lambda x: x.task_done(), lambda x: x.task_done(),
                     lambda x: x.task_done(), lambda x: x.task_done(), lambda x: x.join()]:
            mine, right = outcome(lambda: call(ours)), outcome(lambda: call(theirs))
            assert mine == right, f'{mine!r} where Python has {right!r}'
    ours = manager.Queue(1)
    taken = []

    def consume():
        while (item := ours.get()) is not None:
            taken.append(item)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for i in range(100):
        ours.put(i)
    ours.put(None)
    consumer.join()
    assert taken == list(range(100))


def check_locks(manager):
    for lock in manager.Lock(), manager.RLock():
        assert lock.acquire() is True
        blocked = []
        other = threading.Thread(target=lambda: blocked.extend([lock.acquire(False), lock.acquire(True, 0.01)]))
        other.start()
        other.join()
        assert blocked == [False, False]
        lock.release()
        assert outcome(lock.release) is RuntimeError
        with lock:
            pass
    lock = manager.RLock()
    assert lock.acquire() and lock.acquire()
    lock.release()
    lock.release()
    semaphore = manager.Semaphore(2)
    assert semaphore.acquire() and semaphore.acquire() and not semaphore.acquire(False)
    semaphore.release()
    semaphore.release()
    semaphore.release()
    assert [semaphore.acquire(False) for _ in range(4)] == [True, True, True, False]
    bounded = manager.BoundedSemaphore(1)
    assert outcome(bounded.release) is ValueError
    event = manager.Event()
    assert not event.is_set() and event.wait(0.01) is False
    threading.Timer(0.02, event.set).start()
    assert event.wait(20) is True and event.is_set()
    event.clear()
    assert not event.is_set()


def check_condition(manager):
    for condition in manager.Condition(), manager.Condition(manager.Lock()), manager.Condition(manager.RLock()):
        assert outcome(condition.notify) is RuntimeError
        assert outcome(lambda: condition.wait(0.01)) is RuntimeError
        ready, woken = manager.Queue(), manager.Queue()

        def sleep():
            with condition:
                ready.put(1)
                woken.put(condition.wait(20))

        threads = [threading.Thread(target=sleep) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in threads:
            ready.get()
        with condition:
            assert condition.wait(0.01) is False
            condition.notify()
        assert woken.get() is True
        with condition:
            condition.notify_all()
        assert woken.get() is True and woken.get() is True
        for thread in threads:
            thread.join()
        with condition:
            assert condition.wait_for(lambda: False, 0.02) is False


def check_barrier(manager):
    barrier = manager.Barrier(3)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)
    places = []
    threads = [threading.Thread(target=lambda: places.append(barrier.wait())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(places) == [0, 1, 2]
    assert outcome(lambda: barrier.wait(0.01)) is threading.BrokenBarrierError
    assert barrier.broken
    barrier.reset()
    assert not barrier.broken
    barrier.abort()
    assert barrier.broken and outcome(barrier.wait) is threading.BrokenBarrierError
    assert outcome(lambda: manager.Barrier(0)) is RemoteError


def check_unknown_classes(manager):
    points = manager.list([Point(1, 2), (Point(3, 4),)])
    assert points[0] == Point(1, 2) and points._getvalue() == [Point(1, 2), (Point(3, 4),)]
    assert Point(1, 2) in points and points.index((Point(3, 4),)) == 1
    table = manager.dict({Point(1, 1): 'one'})
    assert table[Point(1, 1)] == 'one' and table.keys() == [Point(1, 1)]
    values = [ValueError('a', 1), range(3), slice(1, 2), len, Point, 1 + 2j, bytearray(b'x'), frozenset({1})]
    back = manager.list(values)._getvalue()
    assert [type(x) for x in back] == [type(x) for x in values] and back[1:] == values[1:]


def check_nested(manager):
    before = manager._number_of_objects()
    outer = manager.list()
    inner = manager.dict(a=1)
    outer.append(inner)
    inner['b'] = 2
    del inner
    assert isinstance(outer[0], BaseProxy) and outer[0]['b'] == 2
    outer[0]['c'] = outer[0].keys()
    assert outer[0]._getvalue() == {'a': 1, 'b': 2, 'c': ['a', 'b']}
    table = manager.dict(deep=(1, [outer]))
    del outer
    assert table['deep'][1][0][0]['a'] == 1
    table.clear()
    del table
    assert manager._number_of_objects() == before, manager._debug_info()


def use(table, results):
    table['child'] = table['parent'] + 1
    results.put(('done', table))


def check_children(manager):
    for method in 'fork', 'spawn':
        context = multiprocessing.get_context(method)
        table, results = manager.dict(parent=1), manager.Queue()
        child = context.Process(target=use, args=(table, results))
        child.start()
        word, passed = results.get()
        child.join()
        assert child.exitcode == 0 and word == 'done' and passed['child'] == 2 and table['child'] == 2


def check_errors(manager):
    table = manager.dict()
    try:
        table._callmethod('nothing')
        raise AssertionError('an unknown method was called')
    except RemoteError as error:
        assert 'not in exposed' in str(error)
    table._id, kept = 'ffffff', table._id
    assert outcome(lambda: table._callmethod('clear')) is RemoteError
    table._id = kept


def main():
    address, key = sys.argv[1:3]
    if ':' in address and not address.startswith('unix:'):
        host, port = address.rsplit(':', 1)
        address = (host, int(port))
    else:
        address = address[len('unix:'):]
        if address.startswith('@'):
            address = '\0' + address[1:]
    # Children unpickle proxies with their parent's key.
    multiprocessing.current_process().authkey = key.encode()
    manager = SyncManager(address, key.encode())
    manager.connect()
    before = manager._number_of_objects()
    for name, check in list(globals().items()):
        if name.startswith('check_'):
            check(manager)
            deadline = time.monotonic() + 10
            while manager._number_of_objects() != before and time.monotonic() < deadline:
                gc.collect()  # proxies in the tracebacks of exceptions; threads of the check give theirs back as they end
            assert manager._number_of_objects() == before, (name, manager._debug_info())
    print('done')


if __name__ == '__main__':
    main()
