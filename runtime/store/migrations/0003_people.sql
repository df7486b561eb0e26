-- Who may speak, and who asked to.

-- People whom an owner let in; those whom the configuration states are not here.
CREATE TABLE person (
    name     TEXT PRIMARY KEY,
    role     TEXT NOT NULL CHECK (role IN ('guest', 'member', 'owner')),
    added_by TEXT NOT NULL,
    added    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Their accounts. The display name is what the platform showed when they asked; it decides nothing.
CREATE TABLE person_identity (
    provider     TEXT NOT NULL,
    user         TEXT NOT NULL,
    person       TEXT NOT NULL REFERENCES person (name) ON DELETE CASCADE,
    display_name TEXT NOT NULL,
    added        INTEGER NOT NULL,
    PRIMARY KEY (provider, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX person_identity_by_person ON person_identity (person);

-- What waits for an owner's word. `code` is a keyed hash: the code itself is nowhere. `subject` is what the code is
-- bound to: for a pairing the account as a JSON list of provider and user, for a tool call its session and the hash of
-- its arguments. `detail` is a JSON object for people.
CREATE TABLE approval (
    code    BLOB PRIMARY KEY,
    kind    TEXT NOT NULL CHECK (kind IN ('pairing', 'tool')),
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    UNIQUE (kind, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX approval_by_age ON approval (kind, created);
CREATE INDEX approval_by_end ON approval (expires);

-- Strangers who are not answered before `quiet_until`.
CREATE TABLE stranger (
    provider    TEXT NOT NULL,
    user        TEXT NOT NULL,
    quiet_until INTEGER NOT NULL,
    PRIMARY KEY (provider, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX stranger_by_end ON stranger (quiet_until);
