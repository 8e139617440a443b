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
