"""A network namespace with nothing but loopback, and sockets of it for the node's driver (streams.py), which carries what goes through them to the other nodes
of the context: {"listen": [[host, port], …]} and {"connect": [host, port]}, answered by "ok" with descriptors or by why not. One packet each."""
import ctypes
import fcntl
import json
import socket
import struct

_libc = ctypes.CDLL(None, use_errno=True)


def own_network():
    """False: this machine does not let us."""
    if _libc.unshare(0x10000000 | 0x40000000) != 0:  # CLONE_NEWUSER | CLONE_NEWNET
        return False
    with socket.socket() as s:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(s, 0x8913, request))[1]
        fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", flags | 1))
    return True


def die_with_parent():
    _libc.prctl(1, 9, 0, 0, 0)


def _listening(host, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen(256)
    return s


def _connected(host, port):
    s = socket.socket()
    s.settimeout(10)
    s.connect((host, port))
    return s


def serve(connection):
    """Until the other end is gone."""
    while said := connection.recv(1 << 16):
        made = []
        try:
            question = json.loads(said)
            for place in question.get("listen", []):
                made.append(_listening(*place))
            if "connect" in question:
                made.append(_connected(*question["connect"]))
            socket.send_fds(connection, [b"ok"], [s.fileno() for s in made])
        except OSError as e:
            connection.send(f"{e}".encode())
        finally:
            for s in made:
                s.close()
