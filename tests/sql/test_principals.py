"""SHOW USERS and SHOW GROUPS: what administrators of a workspace see of its people; SHOW of what a metastore shares."""
import pytest

from harness import StatementFailed, platform


@pytest.fixture(scope="module")
def server():
    with platform() as s:
        yield s


def test_users_and_groups(server):
    admin, warehouse = server.admin(), server.warehouses["landing"]
    users = admin.sql("landing", warehouse, "SHOW USERS")
    assert ["nora@acme.example"] in users and users == sorted(users)
    assert admin.sql("landing", warehouse, "SHOW USERS LIKE 'NORA*|nobody'") == [["nora@acme.example"]]
    groups = admin.sql("landing", warehouse, "SHOW GROUPS")
    assert ["ai_analyst", None] in groups and ["admins", None] in groups
    assert admin.sql("landing", warehouse, "SHOW GROUPS '*analyst'") == [["ai_analyst", None]]
    of_nora = admin.sql("landing", warehouse, "SHOW GROUPS WITH USER `nora@acme.example`")
    assert ["ai_analyst", "true"] in of_nora and ["gold_read", "false"] in of_nora and ["ai_admin", "true"] not in of_nora
    assert ["gold_read", "true"] in admin.sql("landing", warehouse, "SHOW GROUPS WITH GROUP ai_analyst LIKE 'gold*'")
    with pytest.raises(StatementFailed) as failed:
        admin.sql("landing", warehouse, "SHOW GROUPS WITH USER `nobody@acme.example`")
    assert "PRINCIPAL_DOES_NOT_EXIST" in str(failed.value)


@pytest.mark.parametrize("statement", ["SHOW USERS", "SHOW GROUPS", "SHOW GROUPS WITH USER `nora@acme.example`"])
def test_only_administrators_see_people(server, statement):
    with pytest.raises(StatementFailed) as failed:
        server.person("nora@acme.example", "landing").sql("landing", server.warehouses["landing"], statement)
    assert "INSUFFICIENT_PERMISSIONS" in str(failed.value)


def test_what_a_metastore_shares(server):
    admin, warehouse = server.admin(), server.warehouses["landing"]
    admin.workspace("landing", "POST", "/api/2.1/unity-catalog/shares", {"name": "flights_out", "comment": "for partners"})
    admin.workspace("landing", "POST", "/api/2.1/unity-catalog/recipients", {"name": "partner", "authentication_type": "TOKEN"})
    admin.workspace("landing", "POST", "/api/2.1/unity-catalog/connections", {"name": "orders_db", "connection_type": "POSTGRESQL", "options": {"host": "db.acme.example", "port": "5432", "user": "u", "password": "p"}})
    (share,) = admin.sql("landing", warehouse, "SHOW SHARES")
    assert share[0] == "flights_out" and share[1].startswith("20") and share[3] == "for partners"
    assert admin.sql("landing", warehouse, "SHOW SHARES LIKE 'other*'") == []
    assert [r[0] for r in admin.sql("landing", warehouse, "SHOW RECIPIENTS")] == ["partner"]
    assert admin.sql("landing", warehouse, "SHOW PROVIDERS") == []
    (connection,) = admin.sql("landing", warehouse, "SHOW CONNECTIONS")
    assert connection[:2] == ["orders_db", "postgresql"]
    nora = server.person("nora@acme.example", "landing")
    for what in ("SHARES", "RECIPIENTS", "CONNECTIONS"):
        assert nora.sql("landing", warehouse, "SHOW " + what) == []
