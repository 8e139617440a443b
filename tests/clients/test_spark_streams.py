"""What carries the network of Apache Spark between two nodes (src/compute/node/streams.py), with the control plane left out: order, ends, flow, breaks."""
import json
import os
import random
import socket
import sys
import threading
import time

import pytest

from harness import ROOT

sys.path.insert(0, str(ROOT / "src" / "compute" / "node"))

import streams  # noqa: E402
from tarn_runtime import space  # noqa: E402

PORT = 7077


class Node:
    """One end: its sockets are made by a thread in place of the process in a namespace, at an address of its own."""

    def __init__(self):
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threading.Thread(target=space.serve, args=(there,), daemon=True).start()
        self.space, self.other, self.held = streams.Space(here), None, 0
        self.host = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
        self.streams = streams.Streams(self.say)

    def say(self, message):
        message = json.loads(message if isinstance(message, bytes) else json.dumps(message))
        message["op"] = message.pop("type")
        self.other.streams.handle(message)
        return True


@pytest.fixture
def nodes():
    a, b = Node(), Node()
    a.other, b.other = b, a
    # What a's programs call by `seen` is b.
    a.seen = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
    a.streams.join("c", a.space, a.host, (PORT,))
    b.streams.join("c", b.space, b.host, (PORT,))
    a.streams.peers("c", {("", PORT): a.seen})
    yield a, b
    a.streams.leave("c")
    b.streams.leave("c")


def dial(a):
    until = time.monotonic() + 20
    while True:
        s = socket.socket()
        s.settimeout(60)
        try:
            s.connect((a.seen, PORT))
            return s
        except ConnectionRefusedError:
            s.close()
            assert time.monotonic() < until, "nobody listens in the other's place"


def server(b):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((b.host, PORT))
    s.listen(8)
    s.settimeout(60)
    return s


def accept(listener):
    s, _ = listener.accept()
    s.settimeout(60)
    return s


def test_bytes_arrive_in_order_and_each_side_ends_by_itself(nodes):
    a, b = nodes
    with server(b) as listener, dial(a) as near, accept(listener) as far:
        data = os.urandom(24 << 20)

        def send():
            near.sendall(data)
            near.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = bytearray()
        while block := far.recv(1 << 16):
            got += block
        sender.join()
        assert bytes(got) == data
        far.sendall(b"the other way, after the end of one")
        far.close()
        rest = b""
        while block := near.recv(100):
            rest += block
        assert rest == b"the other way, after the end of one"


def test_a_stream_that_is_not_read_holds_up_no_other(nodes):
    a, b = nodes
    with server(b) as listener, dial(a) as stuck, accept(listener) as unread:
        stuck.setblocking(False)
        sent, quiet = 0, time.monotonic() + 1
        while time.monotonic() < quiet:  # until nothing went for a second
            try:
                sent += stuck.send(b"z" * 65536)
                quiet = time.monotonic() + 1
            except BlockingIOError:
                pass
        assert sent < 64 << 20, "it took all that there was"
        with dial(a) as near, accept(listener) as far:
            for _ in range(100):
                near.sendall(b"ping")
                assert far.recv(4, socket.MSG_WAITALL) == b"ping"
        stuck.close()
        got = 0
        while block := unread.recv(1 << 16):
            got += len(block)
        assert got == sent  # and of what waited nothing is lost


def test_what_breaks_is_told_from_what_ends(nodes):
    a, b = nodes
    with pytest.raises(ConnectionResetError), dial(a) as near:  # nobody listens there
        near.recv(1)
    with server(b) as listener:
        with dial(a) as near, accept(listener) as far:
            near.sendall(b"x")
            assert far.recv(1) == b"x"
            a.streams.cut()
            b.streams.cut()
            for end in (near, far):
                with pytest.raises(ConnectionResetError):
                    end.recv(1)
        with dial(a) as near, accept(listener) as far:
            a.streams.leave("c")
            for end in (near, far):
                with pytest.raises(ConnectionResetError):
                    end.recv(1)


def test_addresses_are_of_the_names_and_leave_the_drivers_alone():
    seen = {streams.address(f"i-{n:06x}{'0' * 10}") for n in range(0, 1 << 24, 4099)}
    assert len(seen) > 4000 and not any(a.startswith("127.0.") for a in seen)
    assert all(0 < int(a.split(".")[3]) < 255 and int(a.split(".")[1]) < 255 for a in seen)
