"""The engine of one execution context, a Spark Connect server in a network namespace of its own: Sail, or Apache Spark (apache.py) where the cluster's
runtime is that. It reaches storage through this process alone, which signs each request with credentials that the catalog vended for that table or
path, and answers 403 where there are none; it is reached through a socket in the context's folder alone. Both ends are this context's: nothing
listens where another user could connect.

    python -m tarn_runtime.sail FOLDER [apache]

Standard input: a line {"grant": …, "question": …} for each table that the context opened, answered by "ok". Its end is this process's end.
"""
import datetime
import functools
import hashlib
import hmac
import http.client
import http.server
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import urllib.parse

from tarn_runtime import door, space

_PASSED = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "content-type", "content-md5")
_RENEW = 5 * 60 * 1000


# The engine's side -------------------------------------------------------------------------------------------------------------------------


def _pump(one, other):
    try:
        while block := one.recv(1 << 18):
            other.sendall(block)
    except OSError:
        pass
    for s in (one, other):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def _sail(folder, port, storage, secret):
    os.environ.update(AWS_ACCESS_KEY_ID=secret, AWS_SECRET_ACCESS_KEY=secret, AWS_REGION="us-east-1", AWS_DEFAULT_REGION="us-east-1", AWS_ALLOW_HTTP="true",
                      AWS_ENDPOINT=f"http://127.0.0.1:{storage}", AWS_ENDPOINT_URL=f"http://127.0.0.1:{storage}",
                      AWS_VIRTUAL_HOSTED_STYLE_REQUEST="false", AWS_EC2_METADATA_DISABLED="true", RUST_LOG=os.environ.get("RUST_LOG", "error"))
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", port)
    server.start(background=True)
    return server


def _engine(folder, back, start, place):
    alone = space.own_network()
    space.die_with_parent()
    # Fixed ports, which others lead to, are no others' at any rate.
    if not alone and (os.environ.get("TARN_ISOLATED") == "1" or place[1]):
        back.sendall(b"This machine gives the engine no network namespace of its own, without which others could use it: spark is not available here\n")
        os._exit(1)
    storage = socket.socket()
    storage.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    storage.bind(place)
    storage.listen(128)
    secret = os.urandom(16).hex()
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "DATABRICKS_TOKEN", "TARN_DOOR"):
        os.environ.pop(name, None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = start(folder, port, storage.getsockname()[1], secret)  # noqa: F841: ends with this process
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, "spark"))
    os.chmod(os.path.join(folder, "spark"), 0o600)
    listener.listen(64)
    socket.send_fds(back, [b"up " + secret.encode() + b"\n"], [storage.fileno()])
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for ends in ((near, far), (far, near)):
            threading.Thread(target=_pump, args=ends, daemon=True).start()


# Storage's side ----------------------------------------------------------------------------------------------------------------------------


class Grants:
    """What the catalog vended: by prefix, the longest that fits. What was not vended is asked for as a path, and a refusal kept for a while."""

    def __init__(self):
        self.lock, self.held, self.refused = threading.Lock(), {}, {}

    def add(self, grant, question, write):
        with self.lock:
            self.held[(grant["url"].rstrip("/") + "/", write)] = (grant, question)

    def find(self, url, write):
        with self.lock:
            best = max((p for p, w in self.held if (w or not write) and (url + "/").startswith(p)), key=len, default=None)
            key = next((k for k in ((best, write), (best, True)) if k in self.held), None) if best else None
            grant, question = self.held[key] if key else (None, {"what": "path", "url": url, "write": write})
            if grant and grant["expires_at"] - _RENEW > time.time() * 1000:
                return grant
            kept = self.refused.get((url, write))
            if not grant and kept and kept[0] > time.monotonic():
                raise door.Refused(kept[1])
        try:
            grant = door.ask(question)
            if "credentials" not in grant:
                raise door.Refused(grant.get("why", "no credentials"))
        except door.Refused as e:
            with self.lock:
                if len(self.refused) > 10_000:
                    self.refused.clear()
                self.refused[(url, write)] = (time.monotonic() + 5, str(e))
            raise
        self.add(grant, question, key[1] if key else write)
        return grant


def sign(method, host, path, query, headers, grant):
    """AWS Signature Version 4 of one request; the payload's hash is the client's."""
    credentials, region = grant["credentials"], grant["region"]
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {**headers, "host": host, "x-amz-date": stamp}
    headers.setdefault("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if credentials.get("session_token"):
        headers["x-amz-security-token"] = credentials["session_token"]
    signed = ";".join(sorted(headers))
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}" for k, v in pairs)
    canonical = "\n".join([method, path, canonical_query, *(f"{k}:{headers[k].strip()}" for k in sorted(headers)), "", signed, headers["x-amz-content-sha256"]])
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + credentials["secret_access_key"]).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credentials['access_key_id']}/{scope}, SignedHeaders={signed}, Signature={signature}"
    return headers, canonical_query


def unchunked(body):
    """The payload of an aws-chunked body (SigV4 streaming): each piece is SIZE[;chunk-signature=…] CRLF bytes CRLF; trailers follow the last."""
    out, at = bytearray(), 0
    while at < len(body):
        end = body.index(b"\r\n", at)
        size = int(body[at:end].split(b";")[0], 16)
        if size == 0:
            break
        out += body[end + 2:end + 2 + size]
        at = end + 2 + size + 2
    return bytes(out)


class Storage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    grants, secret = None, ""

    def log_message(self, *arguments):
        pass

    def refuse(self, why, status=403):
        body = f"<Error><Code>AccessDenied</Code><Message>{why.replace('&', '&amp;').replace('<', '&lt;')}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", "0" if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        signed = self.headers.get("x-amz-content-sha256", "")
        chunked = signed.startswith("STREAMING-")
        if chunked:
            body = unchunked(body)
        if f"Credential={self.secret}/" not in self.headers.get("Authorization", ""):
            return self.refuse("not this context's engine")
        path, _, query = self.path.partition("?")
        bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        if not key:
            key = dict(urllib.parse.parse_qsl(query)).get("prefix", "")
        write = self.command not in ("GET", "HEAD")
        if self.command == "POST" and "delete" in dict(urllib.parse.parse_qsl(query, keep_blank_values=True)):
            return self.refuse("objects are deleted one by one", 501)
        try:
            grant = self.grants.find(f"s3://{bucket}/{key}".rstrip("/"), write)
        except door.Refused as e:
            return self.refuse(str(e))
        where = urllib.parse.urlsplit(grant["endpoint"])
        headers = {k.lower(): v for k, v in self.headers.items() if k.lower() in _PASSED or (k.lower().startswith("x-amz-") and k.lower() not in ("x-amz-date", "x-amz-security-token"))}
        if chunked:  # signed piece by piece with a key that is worth nothing there
            headers = {k: v for k, v in headers.items() if k not in ("x-amz-decoded-content-length", "x-amz-trailer", "x-amz-sdk-checksum-algorithm")}
            headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        headers, canonical = sign(self.command, where.netloc, path, query, headers, grant)
        for again in (False, True):
            try:
                reply = self.send_on(where, path, canonical, headers, body)
                break
            except (http.client.HTTPException, OSError) as e:
                self.far = None
                if again:
                    return self.refuse(f"storage cannot be reached: {e}", 503)
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "keep-alive"):
                self.send_header(name, value)
        if reply.getheader("Content-Length") is None:
            whole = reply.read()
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            return self.wfile.write(whole)
        self.end_headers()
        while block := reply.read(1 << 18):
            self.wfile.write(block)

    far = None

    def send_on(self, where, path, query, headers, body):
        if self.far is None or self.far[0] != (where.scheme, where.netloc):
            kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
            self.far = ((where.scheme, where.netloc), kind(where.netloc, timeout=60))
        far = self.far[1]
        far.request(self.command, path + ("?" + query if query else ""), body=body if body or self.command in ("PUT", "POST") else None, headers=headers)
        return far.getresponse()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True

    def server_bind(self):
        pass

    def server_activate(self):
        pass


def main():
    folder, start, patience, place = sys.argv[1], _sail, 60, ("127.0.0.1", 0)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if sys.argv[2:] == ["apache"]:
        from tarn_runtime import apache

        workers = {}
        try:
            why = apache.unavailable(workers := door.of_node({"what": "workers"}))
        except door.Refused as e:
            why = str(e)
        if why:
            print(why, flush=True)
            sys.exit(1)
        start, patience = apache.start, apache.PATIENCE + 10
        if workers:
            from tarn_runtime import standalone

            start, place = functools.partial(standalone.start, workers, os.environ["TARN_DOOR"]), standalone.STORAGE
            patience += apache.PATIENCE + standalone.PATIENCE
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        here.close()
        try:
            _engine(folder, there, start, place)
        except BaseException as e:  # noqa: BLE001: whatever it is, the other side says it
            there.sendall(f"The engine could not start: {type(e).__name__}: {e}\n".encode())
            os._exit(1)
    there.close()
    here.settimeout(patience)
    said, fds, _, _ = socket.recv_fds(here, 4096, 1)
    text = said.decode()
    if not fds or not text.startswith("up "):
        print(text.strip() or "The engine could not start", flush=True)
        sys.exit(1)
    Storage.grants, Storage.secret = Grants(), text.split()[1]
    server = _Server(("127.0.0.1", 0), Storage, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=fds[0])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    # The kernel holds the other end: when it is gone, so are we, and the engine with us.
    try:
        for line in sys.stdin:
            said = json.loads(line)
            Storage.grants.add(said["grant"], said["question"], said["question"].get("operation") == "READ_WRITE")
            print("ok", flush=True)
    finally:
        os.kill(child, signal.SIGKILL)
        os._exit(0)


if __name__ == "__main__":
    main()
