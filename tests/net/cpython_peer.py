# SPDX-License-Identifier: MIT
# CPython's side of the tests of Listener and Client: multiprocessing.connection as it is.
#   cpython_peer.py client|listener HOST:PORT|unix:PATH|unix:@NAME KEY
#   cpython_peer.py refused|refuses ADDRESS KEY    the same, and the authentication must fail
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener

VALUES = [None, True, 7, -(2**80), 1.5, 2 + 3j, "text", "\udc80", b"bytes", bytearray(b"array"), [], [1, [2]], (), (1,),
          {"a": {1: "b"}}, {1, 2}, frozenset([3]), [0.5] * 1000, "x" * 100_000]
SIZES = [0, 1, 255, 16_380, 16_384, 16_385, 1_000_000]


def parse(text):
    if text.startswith("unix:@"):
        return "\0" + text[6:]
    if text.startswith("unix:"):
        return text[5:]
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def family(address):
    if isinstance(address, str):
        return "AF_UNIX"
    return "AF_INET"


def ask(connection):
    for value in VALUES:
        connection.send(value)
        back = connection.recv()
        assert back == value and type(back) is type(value), (value, back)
    for size in SIZES:
        connection.send_bytes(b"m" * size)
        assert connection.recv_bytes() == b"m" * size, size


def main():
    verb, text, key = sys.argv[1:]
    address, key = parse(text), key.encode()
    if verb in ("listener", "refuses"):
        with Listener(address, family(address), authkey=key) as listener:
            print(text if isinstance(address, str) else "%s:%d" % listener.address, flush=True)
            try:
                with listener.accept() as connection:
                    ask(connection)
            except (AuthenticationError, EOFError):
                return 0 if verb == "refuses" else 1
            return 0 if verb == "listener" else 1
    try:
        with Client(address, family(address), authkey=key) as connection:
            ask(connection)
    except (AuthenticationError, EOFError, ConnectionError):
        return 0 if verb == "refused" else 1
    return 0 if verb == "client" else 1


sys.exit(main())
