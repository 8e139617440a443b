"""A node's part of the network between the nodes of one cluster, for Apache Spark over its workers (docs/decisions/0015): byte streams over the connection
that the agent dials. Each context has a network namespace with nothing but loopback on every node that takes part. In it the driver is 127.0.0.2 and each
worker an address of its own, all ports are fixed, and what connects to another's address is accepted here and carried there. Lines of JSON, as driver.py's.

Both ways: {"id", "data": base64}, {"id", "took": bytes that the other may send anew}, {"id", "fin": true} (no more from this side), {"id", "reset": why}.
To the control plane {"open": id, "context", "to": instance or "" for the driver, "port"}, which judges it; from it {"open": id, "context", "port"}.
"""
import base64
import collections
import itertools
import json
import os
import selectors
import socket
import struct
import threading

DRIVER = "127.0.0.2"
DRIVER_PORTS = (7077, 7078, 7079, 7080)  # the master, the driver, its blocks, storage
WORKER_PORTS = (7081, 7082, 7083, 7084)  # the worker; its executor's blocks, more than one while an old executor ends
WINDOW = 256 << 10  # of a stream and direction: what may be on its way
BLOCK = 48 << 10  # of one line
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a stream that broke is told from one that ended


def address(instance):
    """A worker's, in everybody's loopback: of its name, so that it is the same for all and after a restart. 127.0.* is not given out."""
    n = int(instance.removeprefix("i-")[:6], 16)
    return f"127.{1 + (n >> 16) % 254}.{n >> 8 & 255}.{1 + (n & 255) % 254}"


class Space:
    """The process in a context's namespace that makes sockets there and hands them over (tarn_runtime/space.py)."""

    def __init__(self, connection):
        self.lock, self.connection = threading.Lock(), connection
        connection.settimeout(20)

    def ask(self, question):
        with self.lock:
            self.connection.send(json.dumps(question).encode())
            said, fds, _, _ = socket.recv_fds(self.connection, 4096, 250)
        if not said.startswith(b"ok"):
            raise OSError(said.decode() or "its process ended")
        return [socket.socket(fileno=fd) for fd in fds]

    def listen(self, places):
        return self.ask({"listen": places})

    def connect(self, host, port):
        return self.ask({"connect": [host, port]})[0]

    def close(self):
        self.connection.close()


class _Listener:
    def __init__(self, sock, context, to, port):
        self.sock, self.context, self.to, self.port = sock, context, to, port


class _Stream:
    def __init__(self, identity, context, sock=None):
        self.id, self.context, self.sock = identity, context, sock
        self.out, self.waiting, self.taken, self.credit = collections.deque(), 0, 0, WINDOW
        self.ended_here = self.ended_there = self.shut = False
        self.watched = 0


class Streams:
    """All streams of this node, on a thread of its own; `say` sends a line to the control plane. Everything else posts to that thread."""

    def __init__(self, say):
        self.say = say
        self.selector, self.posted = selectors.DefaultSelector(), collections.deque()
        self.wake_out, self.wake_in = socket.socketpair()
        self.wake_in.setblocking(False)
        self.wake_out.setblocking(False)
        self.selector.register(self.wake_in, selectors.EVENT_READ, None)
        self.streams, self.numbers, self.start = {}, itertools.count(1), os.urandom(8).hex()
        self.spaces = {}  # context: (Space, own address, own ports)
        self.listeners = {}  # context: {(to, port): _Listener}
        threading.Thread(target=self.run, daemon=True).start()

    # From other threads

    def post(self, work, *arguments):
        self.posted.append((work, arguments))
        try:
            self.wake_out.send(b"x")
        except BlockingIOError:
            pass  # it is awake

    def join(self, context, space, own, ports):
        self.post(self._join, context, space, own, ports)

    def leave(self, context, space=None):
        """With a space: only if that is still its own."""
        self.post(self._leave, context, space)

    def peers(self, context, wanted):
        """The others of a context: {(instance or "", port): address}. Listened for from now on, and for no others."""
        self.post(self._peers, context, wanted)

    def handle(self, message):
        self.post(self._handle, message)

    def cut(self):
        """The connection is gone, and with it all streams."""
        self.post(lambda: [self._break(s) for s in list(self.streams.values())])

    # Of the thread

    def run(self):
        while True:
            for key, events in self.selector.select():
                it = key.data
                try:
                    if it is None:
                        self.wake_in.recv(65536)
                    elif isinstance(it, _Listener):
                        self._accept(it)
                    else:
                        if events & selectors.EVENT_WRITE:
                            self._flush(it)
                        if events & selectors.EVENT_READ and self.streams.get(it.id) is it:
                            self._read(it)
                except OSError:
                    pass  # a wake that was read already, a client that went away before it was accepted
            while self.posted:
                work, arguments = self.posted.popleft()
                work(*arguments)

    def _join(self, context, space, own, ports):
        self._leave(context)
        self.spaces[context] = (space, own, ports)

    def _leave(self, context, space=None):
        if space is not None and self.spaces.get(context, (space,))[0] is not space:
            return space.close()
        self._peers(context, {})
        self.listeners.pop(context, None)
        for s in [s for s in self.streams.values() if s.context == context]:
            self._fail(s, "its context ended")
        if held := self.spaces.pop(context, None):
            held[0].close()
        return None

    def _peers(self, context, wanted):
        held = self.listeners.setdefault(context, {})
        for place in [p for p in held if p not in wanted]:
            listener = held.pop(place)
            self.selector.unregister(listener.sock)
            listener.sock.close()
        fresh = [p for p in wanted if p not in held]
        if not fresh or context not in self.spaces:
            return
        for at in range(0, len(fresh), 100):
            part = fresh[at:at + 100]
            try:
                made = self.spaces[context][0].listen([[wanted[p], p[1]] for p in part])
            except OSError:
                return  # its process ended, and whoever minds it knows
            for (to, port), sock in zip(part, made):
                sock.setblocking(False)
                held[(to, port)] = _Listener(sock, context, to, port)
                self.selector.register(sock, selectors.EVENT_READ, held[(to, port)])

    def _accept(self, listener):
        sock, _ = listener.sock.accept()
        s = _Stream(f"{self.start}.{next(self.numbers)}", listener.context)
        self.streams[s.id] = s
        if self.say({"type": "stream", "open": s.id, "context": listener.context, "to": listener.to, "port": listener.port}):
            self._connected(s, sock)
        else:
            s.sock = sock
            self._break(s)

    def _handle(self, message):
        if "open" in message:
            s = _Stream(message["open"], message["context"])
            held = self.spaces.get(s.context)
            if not held or message["port"] not in held[2]:
                return self._tell(s, reset="nothing of this context is here")
            self.streams[s.id] = s
            threading.Thread(target=self._connect, args=(s, held[0], held[1], message["port"]), daemon=True).start()
            return None
        s = self.streams.get(message.get("id"))
        if s is None:
            return None
        if "data" in message:
            data = base64.b64decode(message["data"])
            s.waiting += len(data)
            if s.waiting > WINDOW:
                return self._fail(s, "more was sent than was asked for")
            s.out.append(memoryview(data))
        if "took" in message:
            s.credit = min(WINDOW, s.credit + int(message["took"]))
        if message.get("fin"):
            s.ended_there = True
        if "reset" in message:
            return self._break(s)
        return self._flush(s) if s.sock else None

    def _connect(self, s, space, host, port):
        """On a thread of its own, for it waits for another process."""
        try:
            sock = space.connect(host, port)
        except OSError as e:
            return self.post(self._fail, s, str(e))
        return self.post(self._connected, s, sock)

    def _connected(self, s, sock):
        if self.streams.get(s.id) is not s:  # broken while it was made
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return sock.close()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sock = sock
        return self._flush(s)

    def _read(self, s):
        for _ in range(4):  # then it is another's turn
            if s.credit <= 0:
                break
            try:
                data = s.sock.recv(min(BLOCK, s.credit))
            except BlockingIOError:
                break
            except OSError as e:
                return self._fail(s, str(e))
            if not data:
                s.ended_here = True
                self._tell(s, fin=True)
                break
            s.credit -= len(data)
            # An own line: a text of base64 needs no escaping.
            self.say(b'{"type":"stream","id":"' + s.id.encode() + b'","data":"' + base64.b64encode(data) + b'"}\n')
        return self._settle(s)

    def _flush(self, s):
        try:
            while s.out:
                n = s.sock.send(s.out[0])
                s.waiting -= n
                s.taken += n
                if n == len(s.out[0]):
                    s.out.popleft()
                else:
                    s.out[0] = s.out[0][n:]
        except BlockingIOError:
            pass
        except OSError as e:
            return self._fail(s, str(e))
        if s.taken >= WINDOW // 4:
            self._tell(s, took=s.taken)
            s.taken = 0
        if s.ended_there and not s.out and not s.shut:
            s.shut = True
            try:
                s.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        return self._settle(s)

    def _settle(self, s):
        """What it waits for now; its end, when both sides have said all."""
        if s.ended_here and s.shut:
            return self._close(s)
        wanted = (selectors.EVENT_READ if s.credit > 0 and not s.ended_here else 0) | (selectors.EVENT_WRITE if s.out else 0)
        if wanted == s.watched:
            return None
        if not s.watched:
            self.selector.register(s.sock, wanted, s)
        elif wanted:
            self.selector.modify(s.sock, wanted, s)
        else:
            self.selector.unregister(s.sock)
        s.watched = wanted
        return None

    def _tell(self, s, **what):
        self.say({"type": "stream", "id": s.id, **what})

    def _fail(self, s, why):
        self._tell(s, reset=why)
        self._break(s)

    def _break(self, s):
        if s.sock:
            s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._close(s)

    def _close(self, s):
        if self.streams.get(s.id) is s:
            del self.streams[s.id]
        if s.watched:
            self.selector.unregister(s.sock)
            s.watched = 0
        if s.sock:
            s.sock.close()
            s.sock = None
