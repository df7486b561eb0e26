-- Components that an admin installed (what comes with the program is not here), and whose word counts for them.

-- `publisher` is whoever published the first one: a component of that name from another publisher is another component.
-- `current` is the version that runs. The row stays when the component is removed, so that a version never comes again
-- as something else and a lower one is known as such.
CREATE TABLE component (
    name      TEXT PRIMARY KEY,
    publisher TEXT NOT NULL,
    current   TEXT,
    FOREIGN KEY (name, current) REFERENCES component_version (name, version) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

-- `key` is the public key that signed it. 'waiting': for the admin's word. 'approved': may run, and can be gone back to.
-- 'gone': not approved, or its code was removed. `kept` is when the key-value data was set aside that this version left.
CREATE TABLE component_version (
    name        TEXT NOT NULL REFERENCES component (name) ON DELETE CASCADE,
    version     TEXT NOT NULL,
    digest      BLOB NOT NULL CHECK (length(digest) = 32),
    key         TEXT NOT NULL,
    source      TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'gone')),
    installed   INTEGER NOT NULL,
    approved    INTEGER,
    approved_by TEXT,
    kept        INTEGER,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

-- At most one version waits.
CREATE UNIQUE INDEX component_waiting ON component_version (name) WHERE state = 'waiting';

-- A key that its publisher replaced: what it signed and was approved goes on running, and nothing new is taken from it.
ALTER TABLE publisher ADD COLUMN retired INTEGER;
-- The place of a key among those of its publisher: one may revoke those before it.
ALTER TABLE publisher ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
UPDATE publisher SET position = (
    SELECT count(*) FROM publisher AS other
    WHERE other.name = publisher.name AND (other.added, other.key) < (publisher.added, publisher.key));

-- The highest numbers seen in what a key signed about keys and packages: an older statement changes nothing.
CREATE TABLE key_statement (
    key    TEXT NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('rotation', 'revocation')),
    number INTEGER NOT NULL,
    PRIMARY KEY (key, kind)
) STRICT, WITHOUT ROWID;

-- What counts no more: a public key, or the digest of a package. `said_by` is 'admin', or 'publisher:NAME'.
CREATE TABLE revocation (
    kind    TEXT NOT NULL CHECK (kind IN ('key', 'digest')),
    value   TEXT NOT NULL,
    said_by TEXT NOT NULL,
    reason  TEXT NOT NULL,
    added   INTEGER NOT NULL,
    PRIMARY KEY (kind, value, said_by)
) STRICT, WITHOUT ROWID;

-- The secret behind a grant's credential stands in the grant itself: one is never there without the other.
ALTER TABLE grant_rule ADD COLUMN secret TEXT;
UPDATE grant_rule SET secret = (
    SELECT json_extract(setting.value, '$') FROM setting
    WHERE setting.scope = 'grant-secret' AND setting.key = CAST(grant_rule.id AS TEXT));
DELETE FROM setting WHERE scope = 'grant-secret';
