-- A store as schema 1 left it: the upgrade test opens it with the newest program. Never edited.
-- Records of every room, their index entries, and the audit log. See src/store/store.h.
CREATE TABLE record (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE TABLE record_index (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (kind, name, value, key)
) WITHOUT ROWID;
CREATE INDEX record_index_by_key ON record_index (kind, key);

CREATE TABLE record_unique (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (kind, name, value)
) WITHOUT ROWID;
CREATE INDEX record_unique_by_key ON record_unique (kind, key);

CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  service TEXT NOT NULL,
  action TEXT NOT NULL,
  principal TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_principal ON audit (principal, sequence);

CREATE TABLE generation (value INTEGER NOT NULL);
INSERT INTO generation VALUES (1);

INSERT INTO record VALUES ('test.thing', 'ta', 3, '{"name":"a","owner":"ann","external_id":"1"}');
INSERT INTO record VALUES ('test.thing', 'tb', 1, '{"name":"b","owner":"ann","external_id":"2"}');
INSERT INTO record_index VALUES ('test.thing', 'owner', 'ann', 'ta'), ('test.thing', 'owner', 'ann', 'tb'),
  ('test.thing', 'external_id', '1', 'ta'), ('test.thing', 'external_id', '2', 'tb');
INSERT INTO record_unique VALUES ('test.thing', 'external_id', '1', 'ta'), ('test.thing', 'external_id', '2', 'tb');
INSERT INTO audit (at, service, action, principal, body) VALUES
  (1700000000000, 'test', 'insert', 'ann', '{"service":"test","action":"insert","principal":"ann","request_id":"1","source_ip":"","user_agent":"","outcome":"success","status":200,"error":""}'),
  (1700000000001, 'test', 'insert', 'ann', '{"service":"test","action":"insert","principal":"ann","request_id":"2","source_ip":"","user_agent":"","outcome":"success","status":200,"error":""}');
UPDATE generation SET value = 5;
PRAGMA user_version = 1;
