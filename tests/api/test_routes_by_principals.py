"""Every declared route against every kind of principal: the declared least right holds, and no route answers with an internal error."""
import re
import socket
import json

import pytest

from harness import platform

PRINCIPALS = ("nobody", "forged", "outsider", "user", "workspace_admin", "account_admin")
# What the gateway must answer, before any room is asked: None means "let through" (the room decides).
EXPECTED = {
    "open": dict.fromkeys(PRINCIPALS),
    "authenticated": {"nobody": 401, "forged": 401, "outsider": 403, "user": None, "workspace_admin": None, "account_admin": None},
    "workspace_admin": {"nobody": 401, "forged": 401, "outsider": 403, "user": 403, "workspace_admin": None, "account_admin": None},
    "account_admin": {"nobody": 401, "forged": 401, "outsider": 403, "user": 403, "workspace_admin": 403, "account_admin": None},
}
GATEWAY_TEXTS = ("This API is disabled for users without account admin status.", "Only workspace administrators can perform this operation.")
# Reaching these as an administrator would take the platform apart under the other cases; what they do is tested where they live.
DESTRUCTIVE = {"DELETE"}


def control(server, path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(server.data / "run" / "control.sock"))
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: control\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while block := s.recv(65536):
            answer += block
    head, body = answer.split(b"\r\n\r\n", 1)
    if b"chunked" in head.lower():
        out, rest = b"", body
        while rest:
            size, rest = rest.split(b"\r\n", 1)
            out, rest = out + rest[:int(size, 16)], rest[int(size, 16) + 2:]
        body = out
    return json.loads(body)


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        admin = s.admin()
        admin.account("POST", "/scim/v2/Users", {"userName": "oskar@acme.example", "displayName": "Outsider"})
        yield s


@pytest.fixture(scope="module")
def tokens(server):
    return {
        "nobody": None,
        "forged": "dapi" + "0" * 32,
        "user": {w: server.person("nora@acme.example", w).token for w in ("landing",)}["landing"],
        "workspace_admin": server.person("ada@acme.example", "landing").token,
        "account_admin": server.admin().token,
    }


def account_token(server, user):
    return server.tarn("token", "--data", str(server.data), "--user", user).stdout.strip()


def url_of(server, route):
    host = server.ready["accounts_url"] if route["surface"] == "account" else server.status()["workspaces"]["landing"]
    path = route["pattern"].replace("{account_id}", server.ready["account_id"]).replace("/accounts/{id}", "/accounts/" + server.ready["account_id"])
    return host + re.sub(r"\{[^}]*\}", "1", path)


def test_each_route_holds_its_least_right_for_each_principal(server, tokens):
    routes = control(server, "/routes")
    assert len(routes) > 100
    http, wrong = server.session(), []
    on_account = {p: account_token(server, u) for p, u in (("user", "nora@acme.example"), ("workspace_admin", "ada@acme.example"), ("outsider", "oskar@acme.example"))}
    workspace_base = server.status()["workspaces"]["landing"]
    for route in routes:
        url = url_of(server, route) if route["surface"] == "account" else workspace_base + url_of(server, dict(route, surface="account"))[len(server.ready["accounts_url"]):]
        for who in PRINCIPALS:
            expected = EXPECTED[route["auth"]][who]
            if expected is None and route["method"] in DESTRUCTIVE and who == "account_admin":
                continue
            token = on_account.get(who, tokens.get(who)) if route["surface"] == "account" else on_account["outsider"] if who == "outsider" else tokens[who]
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            body = b"{}" if route["method"] in ("POST", "PUT", "PATCH") else None
            answer = http.request(route["method"], url, data=body, headers={**headers, "Content-Type": "application/json"}, timeout=60)
            if answer.status_code >= 500:
                wrong.append((who, route["method"], route["pattern"], answer.status_code, answer.text[:200]))
            if expected is None:
                # The row lets it through; the room may still say 403, but an administrator's own level is never refused by the row's text.
                own_level = route["auth"] == who or who == "account_admin"
                if route["auth"] != "open" and (answer.status_code == 401 or own_level and any(t in answer.text for t in GATEWAY_TEXTS)):
                    wrong.append((who, route["method"], route["pattern"], answer.status_code, "must be let through"))
                continue
            # An outsider is a live principal of the account: on the account host it is a plain user, on a workspace host it is not at home.
            if who == "outsider" and route["surface"] == "account" and route["auth"] == "authenticated":
                continue
            if answer.status_code != expected:
                wrong.append((who, route["method"], route["pattern"], answer.status_code, answer.text[:200]))
    assert not wrong, "\n".join(map(str, wrong[:40])) + f"\n{len(wrong)} in all"
