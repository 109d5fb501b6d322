# SPDX-License-Identifier: MIT
"""A client of remote_manager's server, in plain CPython. Usage: remote_manager.py HOST:PORT KEYFILE"""
import sys
from multiprocessing.managers import BaseManager


class Scores(BaseManager):
    pass


Scores.register('scores')

host, port = sys.argv[1].rsplit(':', 1)
with open(sys.argv[2], 'rb') as file:
    manager = Scores((host, int(port)), authkey=file.read().strip())
manager.connect()
scores = manager.scores()
scores.update({'Kevin': 9})
print('Python client:', scores)
