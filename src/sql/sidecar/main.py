"""The parser beside the server: length-prefixed JSON over the socket on file descriptor 3, one request at a time, ended by its close."""
import ctypes
import json
import logging
import os
import resource
import signal
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from analyze import analyze  # noqa: E402
from errors import Refused  # noqa: E402
import decimals  # noqa: E402
import zones  # noqa: E402
from prepare import prepare  # noqa: E402
from rewrite import assign, rewrite  # noqa: E402

# Frames that a pathological statement may nest; each Python frame of 3.11 costs about 500 bytes of heap, none of the C stack.
DEEPEST = 3000
MOST_BYTES = 64 << 20


def answer(request):
    try:
        op = request.get("op")
        zones.use(request.get("zone"))
        decimals.use(request.get("wide"))
        if op == "analyze":
            return {"ok": analyze(request["sql"], request.get("path", ""))}
        if op == "prepare":
            return {"ok": prepare(request["sql"], request.get("parameters") or {}, request.get("variables") or {})}
        if op == "assign":
            return {"ok": assign(request)}
        if op == "rewrite":
            return {"ok": rewrite(request)}
        return {"error": {"code": "internal", "message": f"unknown operation {op}"}}
    except Refused as e:
        return {"error": {"code": e.code, "message": e.message}}
    except RecursionError:
        return {"error": {"code": "parse_error", "message": "[PARSE_SYNTAX_ERROR] The statement is nested too deeply. SQLSTATE: 54001"}}
    except Exception as e:  # a parser's own bug must not end the process; the text goes to the user as a refusal
        return {"error": {"code": "unsupported", "message": f"[UNSUPPORTED_FEATURE] The statement cannot be translated: {type(e).__name__}: {str(e)[:300]} SQLSTATE: 0A000"}}


def read_exactly(connection, count):
    parts = []
    while count:
        piece = connection.recv(min(count, 1 << 20))
        if not piece:
            return None
        parts.append(piece)
        count -= len(piece)
    return b"".join(parts)


def serve():
    connection = socket.socket(fileno=3)
    while True:
        head = read_exactly(connection, 4)
        if head is None:
            return
        (length,) = struct.unpack(">I", head)
        if length > MOST_BYTES:
            return
        body = read_exactly(connection, length)
        if body is None:
            return
        out = json.dumps(answer(json.loads(body)), separators=(",", ":")).encode()
        connection.sendall(struct.pack(">I", len(out)) + out)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: never outlive the server
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    logging.disable(logging.CRITICAL)
    sys.setrecursionlimit(DEEPEST)
    serve()
