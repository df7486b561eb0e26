-- Where each account of an owner last wrote alone, so that owners can be told what nobody asked for. The columns of the
-- channel are as in session_channel; `account` is the assistant's.
CREATE TABLE owner_place (
    instance TEXT NOT NULL,
    user     TEXT NOT NULL,
    account  TEXT NOT NULL,
    channel  TEXT NOT NULL,
    thread   TEXT NOT NULL,
    seen     INTEGER NOT NULL,
    PRIMARY KEY (instance, user)
) STRICT, WITHOUT ROWID;
