# SPDX-License-Identifier: MIT
"""A CPython client that holds references, in itself, in a child and through an iterator, until it is killed. Usage:
cpython_holder.py ADDRESS KEY"""
import multiprocessing
import os
import sys
import time
from multiprocessing.managers import SyncManager


def hold(shared, ready):
    mine = shared[0]
    ready.send((os.getpid(), mine._getvalue()))
    time.sleep(1000)


def main():
    assert sys.argv[1].startswith('unix:@')
    manager = SyncManager(address=sys.argv[1].replace('unix:@', '\0'), authkey=sys.argv[2].encode())
    manager.connect()
    multiprocessing.current_process().authkey = sys.argv[2].encode()
    numbers = manager.list([1, 2])
    kept = [manager.dict(), manager.Queue(), iter(manager.dict({'a': 1})), manager.list([numbers])]
    for _ in range(3):
        manager.list()  # given back at once
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context('fork').Process(target=hold, args=(kept[3], theirs), daemon=True)
    child.start()
    pid, value = ours.recv()
    assert value == [1, 2]
    print(os.getpid(), pid, flush=True)
    time.sleep(1000)


if __name__ == '__main__':
    main()
