# SPDX-License-Identifier: MIT
"""CPython's manager as the server of polyproc clients, with a type of its own. Usage: cpython_server.py ADDRESS KEY; prints its
address, and ends when a client says so."""
import sys
from multiprocessing.managers import BaseManager, SyncManager


class Account:
    def __init__(self, owner, balance=0):
        self.owner, self._balance = owner, balance

    def deposit(self, amount, *, note=''):
        self._balance += amount
        return (self._balance, note)

    def balance(self):
        return self._balance

    def withdraw(self, amount):
        if amount > self._balance:
            raise ValueError(f'{self.owner} has {self._balance}')
        self._balance -= amount


class Server(SyncManager):
    pass


shared = {'name': 'shared'}
Server.register('Account', Account)
Server.register('shared', callable=lambda: shared)
Server.register('fails', callable=lambda: 1 / 0)


def main():
    address, key = sys.argv[1:3]
    host, port = address.rsplit(':', 1)
    server = Server((host, int(port)), key.encode()).get_server()
    print('%s:%d' % server.address, flush=True)
    server.serve_forever()


if __name__ == '__main__':
    main()
