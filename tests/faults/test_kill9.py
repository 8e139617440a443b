"""kill -9 under write load: what was acknowledged, metadata and Delta, is there after every restart; what was not is whole or absent."""

import os

import random
import threading
import time

import requests

from harness import Refused, Server, StatementFailed, platform

ROUNDS = int(os.environ.get("TARN_KILL_ROUNDS", "100"))

class Writer(threading.Thread):
    """Writes until the server is gone; keeps what was acknowledged."""

    def __init__(self, write):
        super().__init__()
        self.write, self.acknowledged, self.attempted, self.problem = write, [], [], None

    def run(self):
        try:
            while True:
                number = random.getrandbits(50)
                self.attempted.append(number)
                self.write(number)
                self.acknowledged.append(number)
        except (requests.RequestException, OSError):
            return  # killed: what was in flight is not acknowledged
        except (Refused, StatementFailed) as e:
            # A server on its way out may still refuse; anything else is the test's finding.
            if getattr(e, "status", 0) != 503:
                self.problem = e

def test_nothing_acknowledged_is_lost():
    chance = random.Random(20130101)
    with platform() as server:
        admin = server.admin()
        admin.workspace("landing", "PATCH", "/api/2.1/unity-catalog/permissions/catalog/landing_raw",
                        {"changes": [{"principal": server.ready["admin"]["client_id"], "add": ["USE_CATALOG", "USE_SCHEMA", "CREATE_TABLE", "SELECT", "MODIFY"]}]})
        admin.sql("landing", server.warehouses["landing"], "CREATE TABLE landing_raw.flights.log (n BIGINT)")
        groups, rows, tried_rows = set(), set(), set()
        warehouses = server.warehouses
        for turn in range(ROUNDS):
            one, two = server.admin(), server.admin()
            url = server.status()["workspaces"]["landing"] + "/api/2.0/sql/statements"

            def insert(n):
                answer = two.call("POST", url, {"statement": f"INSERT INTO landing_raw.flights.log VALUES ({n})", "warehouse_id": warehouses["landing"], "wait_timeout": "30s"})
                if answer["status"]["state"] != "SUCCEEDED":
                    raise StatementFailed(answer["status"])

            writers = [Writer(lambda n: one.account("POST", "/scim/v2/Groups", {"displayName": f"g{n}"})), Writer(insert)]
            for w in writers:
                w.start()
            deadline = time.monotonic() + 10
            least = chance.randint(1, 4)
            while len(writers[1].acknowledged) < least and time.monotonic() < deadline and all(w.problem is None for w in writers):
                writers[1].join(0.002)
            server.kill()
            for w in writers:
                w.join(30)
                assert not w.is_alive() and w.problem is None, f"round {turn}: {w.problem}"
            groups |= set(writers[0].acknowledged)
            rows |= set(writers[1].acknowledged)
            tried_rows |= set(writers[1].attempted)
            server.start()
        admin = server.admin()
        found_groups, start = set(), 1
        while True:
            page = admin.account("GET", f"/scim/v2/Groups?startIndex={start}&count=500")
            found_groups |= {g["displayName"] for g in page.get("Resources", [])}
            start += len(page.get("Resources", []))
            if not page.get("Resources") or start > page["totalResults"]:
                break
        lost = {n for n in groups if f"g{n}" not in found_groups}
        assert not lost, f"{len(lost)} acknowledged groups are gone"
        found = [int(r[0]) for r in admin.sql("landing", warehouses["landing"], "SELECT n FROM landing_raw.flights.log")]
        assert len(found) == len(set(found)), "a row is there twice"
        assert rows <= set(found), f"{len(rows - set(found))} acknowledged rows are gone"
        assert set(found) <= tried_rows, "a row that nobody wrote"
        assert len(groups) >= ROUNDS and len(rows) >= ROUNDS
        print(f"{ROUNDS} rounds, {len(groups)} groups and {len(rows)} rows acknowledged, none lost")
