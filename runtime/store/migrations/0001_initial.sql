-- The first schema. Times are microseconds since 1970, UTC. JSON is text.

-- Number and hash make the chain: see src/audit.rs.
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    subject TEXT NOT NULL,
    verdict TEXT NOT NULL,
    detail  TEXT NOT NULL,
    hash    BLOB NOT NULL
) STRICT;

CREATE TABLE secret (
    name       TEXT PRIMARY KEY,
    nonce      BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    principals TEXT NOT NULL,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    last_used  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id      TEXT PRIMARY KEY,
    engine  TEXT NOT NULL,
    title   TEXT NOT NULL,
    model   TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_by_engine ON session (engine, updated);

-- Every session that was ever active in a channel; at most one is active now.
-- `thread` is '' where the channel has none, and '/' with the platform's id where it has one.
CREATE TABLE session_channel (
    provider TEXT NOT NULL,
    channel  TEXT NOT NULL,
    thread   TEXT NOT NULL,
    session  TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    active   INTEGER NOT NULL CHECK (active IN (0, 1)),
    since    INTEGER NOT NULL,
    PRIMARY KEY (provider, channel, thread, session)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX session_channel_active ON session_channel (provider, channel, thread) WHERE active = 1;
CREATE INDEX session_channel_by_session ON session_channel (session);

CREATE TABLE message (
    session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    created INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
    id      INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    input   INTEGER NOT NULL,
    output  INTEGER NOT NULL,
    cached  INTEGER NOT NULL,
    cost    REAL
) STRICT;

CREATE INDEX usage_by_session ON usage (session);

-- `run` names the run of the program that made the entry: an open entry of another run was interrupted.
CREATE TABLE journal (
    call           TEXT PRIMARY KEY,
    turn           TEXT NOT NULL,
    session        TEXT,
    tool           TEXT NOT NULL,
    principal      TEXT NOT NULL,
    digest         BLOB,
    arguments_hash BLOB NOT NULL,
    run            TEXT NOT NULL,
    started        INTEGER NOT NULL,
    finished       INTEGER,
    outcome        TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX journal_open ON journal (started) WHERE outcome IS NULL;
CREATE INDEX journal_finished ON journal (finished) WHERE outcome IS NOT NULL;

-- Keys are blobs so that they compare and count as the bytes that they are.
CREATE TABLE key_value (
    owner TEXT NOT NULL,
    key   BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;

-- The bytes of each owner's keys and values, kept by the triggers below so that no write can forget to count.
CREATE TABLE key_value_size (
    owner TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER key_value_inserted AFTER INSERT ON key_value BEGIN
    INSERT INTO key_value_size (owner, bytes) VALUES (new.owner, length(new.key) + length(new.value))
        ON CONFLICT (owner) DO UPDATE SET bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER key_value_updated AFTER UPDATE ON key_value BEGIN
    UPDATE key_value_size SET bytes = bytes + length(new.value) - length(old.value) WHERE owner = new.owner;
END;

CREATE TRIGGER key_value_deleted AFTER DELETE ON key_value BEGIN
    UPDATE key_value_size SET bytes = bytes - length(old.key) - length(old.value) WHERE owner = old.owner;
END;

CREATE TABLE publisher (
    name     TEXT NOT NULL,
    key      TEXT NOT NULL,
    prefixes TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added    INTEGER NOT NULL,
    PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: the number of a removed grant never names another one.
CREATE TABLE grant_rule (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    principal TEXT NOT NULL,
    rule      TEXT NOT NULL,
    added_by  TEXT NOT NULL,
    added     INTEGER NOT NULL,
    UNIQUE (principal, rule)
) STRICT;

-- The scope 'store' belongs to the store itself: the seal of the audit chain and the check of the master key.
CREATE TABLE setting (
    scope   TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
