#!/usr/bin/env python3
"""A server that answers at once, from a recording: the floor of a client, which no server can be faster than.

    bench/replay.py record FILE --upstream HOST:PORT --ca FILE     passes requests on (TLS, by host name), and writes down what came back
    bench/replay.py replay FILE                                    answers them from FILE

Both are a proxy on loopback that terminates TLS for *.cloud.databricks.com with an authority of its own, and print one line of JSON: {"proxy", "ca"}.
A line on standard input names the phase that follows (`apply`, `plan`): answers are kept by phase, request and turn, so that a request that is
asked again in the same phase gets the next answer (a resource that is not there, then is). Ends when standard input does.
"""
import argparse
import asyncio
import collections
import datetime
import hashlib
import json
import pathlib
import ssl
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def authority(folder):
    """A self-signed certificate for the vendor's hosts, and the server context that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "replay")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
                   .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.cloud.databricks.com")]), False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256()))
    pem = folder / "ca.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = folder / "both.pem"
    both.write_bytes(pem.read_bytes() + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    context.set_alpn_protocols(["http/1.1"])
    return context, pem


async def message(reader):
    """(first line, headers, whole bytes) of a request or response; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
    body = b""
    if "chunked" in headers.get("transfer-encoding", ""):
        while True:
            size = await reader.readuntil(b"\r\n")
            block = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
            body += size + block
            if int(size.split(b";")[0], 16) == 0:
                break
    elif length := int(headers.get("content-length") or 0):
        body = await reader.readexactly(length)
    return first, headers, head + body, body


class Proxy:
    def __init__(self, args):
        self.args, self.phase, self.answers, self.turn = args, "", collections.defaultdict(list), collections.Counter()
        self.missing = 0
        if args.mode == "replay":
            for phase, key, raw in json.loads(pathlib.Path(args.file).read_text()):
                self.answers[phase, key].append(raw.encode("latin-1"))

    def save(self):
        if self.args.mode == "record":
            rows = [(phase, key, raw.decode("latin-1")) for (phase, key), found in self.answers.items() for raw in found]
            pathlib.Path(self.args.file).write_text(json.dumps(rows))
        elif self.missing:
            sys.exit(f"{self.missing} requests were not in the recording")

    async def serve(self, reader, writer):
        up = None
        try:
            first = await message(reader)
            if not first or not first[0].startswith("CONNECT "):
                return
            host = first[0].split()[1].split(":")[0]
            writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self.tls)
            while request := await message(reader):
                method, target = request[0].split()[:2]
                key = f"{method} {host}{target} {hashlib.sha256(request[3]).hexdigest()[:16]}"
                if self.args.mode == "record":
                    if up is None:
                        address, port = self.args.upstream.split(":")
                        up = await asyncio.open_connection(address, int(port), ssl=ssl.create_default_context(cafile=self.args.ca), server_hostname=host)
                    up[1].write(request[2])
                    raw = (await message(up[0]))[2]
                    self.answers[self.phase, key].append(raw)
                else:
                    known = self.answers.get((self.phase, key))
                    if not known:
                        self.missing += 1
                        print("not in the recording:", self.phase, key, file=sys.stderr, flush=True)
                        raw = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
                    else:
                        raw = known[min(self.turn[self.phase, key], len(known) - 1)]
                        self.turn[self.phase, key] += 1
                writer.write(raw)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            for end in (writer, up and up[1]):
                if end:
                    end.close()

    async def run(self):
        with tempfile.TemporaryDirectory() as folder:
            self.tls, pem = authority(pathlib.Path(folder))
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 24)
            print(json.dumps({"proxy": "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1], "ca": str(pem)}), flush=True)
            lines = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
            while line := await lines.readline():
                self.phase = line.decode().strip()
                self.turn.clear()
                print(json.dumps({"phase": self.phase}), flush=True)
            server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["record", "replay"])
    parser.add_argument("file")
    parser.add_argument("--upstream")
    parser.add_argument("--ca")
    proxy = Proxy(parser.parse_args())
    asyncio.run(proxy.run())
    proxy.save()


if __name__ == "__main__":
    main()
