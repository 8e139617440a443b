"""The way to the platform. Two of them: the door, a socket of this context that the node's driver serves (what is asked there is answered for the
context's owner and nobody else), and the workspace's REST API, with the token that the door lends."""
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request


class Refused(Exception):
    """The platform said no. `code` is the API's error code, if it was the API."""

    def __init__(self, message, code="", status=0):
        super().__init__(message)
        self.code, self.status = code, status


def _talk(message, path=None):
    path = path or os.environ.get("TARN_DOOR")
    if not path:
        raise Refused("This Python process does not belong to an execution context")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(150)
        s.connect(path)
        s.sendall(json.dumps(message).encode() + b"\n")
        return json.loads(s.makefile("rb").readline())


def ask(question):
    said = _talk({"question": question})
    if "error" in said:
        raise Refused(said["error"])
    return said["answer"]


def of_node(question, path=None):
    """What the node's driver itself answers: which workers the cluster has, the network between them (spark_nodes.py)."""
    said = _talk({"spark": question}, path)
    if "error" in said:
        raise Refused(said["error"])
    return said


def redact(secret):
    """From here on the driver blanks this text in everything that the context prints."""
    if secret:
        _talk({"redact": secret})


_lock = threading.Lock()
_lent = {}
_storage = ""


def access(fresh=False):
    """host, token, user, workspace_id, cluster_id, storage, region."""
    global _storage
    with _lock:
        if fresh or not _lent or time.time() * 1000 > _lent["expires_at"] - 10 * 60 * 1000:
            _lent.clear()
            _lent.update(ask({"what": "api"}))
            # What the vendor's SDKs look for.
            os.environ["DATABRICKS_HOST"], os.environ["DATABRICKS_TOKEN"] = _lent["host"], _lent["token"]
            if _lent.get("storage") and os.environ.get("AWS_ENDPOINT_URL_S3", "") in ("", _storage):
                _storage = os.environ["AWS_ENDPOINT_URL_S3"] = _lent["storage"]  # where vended credentials are good
                os.environ["AWS_DEFAULT_REGION"] = _lent["region"]
        return dict(_lent)


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _request(method, url, token, body, raw, patience):
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    if data is not None:
        request.add_header("Content-Type", "application/octet-stream" if isinstance(body, bytes) else "application/json")
    with _opener.open(request, timeout=patience) as answer:
        said = answer.read()
        return said if raw else json.loads(said or b"{}")


def call(method, path, body=None, params=None, raw=False, patience=120):
    """One call of the workspace's REST API as the context's owner."""
    query = "?" + urllib.parse.urlencode({k: v for k, v in params.items() if v is not None}) if params else ""
    for again in (False, True):
        lent = access(fresh=again)
        try:
            return _request(method, lent["host"] + path + query, lent["token"], body, raw, patience)
        except urllib.error.HTTPError as e:
            text = e.read().decode("utf-8", "replace")
            if e.code == 401 and not again:
                continue  # a control plane that was restored, or a token that ended early
            try:
                said = json.loads(text)
            except ValueError:
                said = {}
            raise Refused(said.get("message", text[:500]) or f"HTTP {e.code}", said.get("error_code", ""), e.code) from None
        except urllib.error.URLError as e:
            if not again:
                continue  # a control plane that was started again listens elsewhere
            raise Refused(f"The workspace's API cannot be reached from this node: {e.reason}") from None


def fetch(url, patience=120):
    """A presigned link."""
    try:
        return _request("GET", url, "", None, True, patience)
    except (urllib.error.URLError, OSError) as e:
        raise Refused(f"The result cannot be fetched: {e}") from None
