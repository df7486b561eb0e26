-- The inbox, the outbox and what belongs to a channel. `instance` is the adapter's name and the provider of a channel;
-- `thread` is as in session_channel.

-- Every event that a platform reported, stored before it is acknowledged. Its identity stays after its body was
-- forgotten, so that an event that comes again is known. `number` is the order in which events came and is never used
-- twice. `lane` is 'turn' for what waits for its turn in the channel, 'control' for what does not wait behind turns.
CREATE TABLE inbox (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    instance TEXT NOT NULL,
    account  TEXT NOT NULL,
    event    TEXT NOT NULL,
    revision INTEGER NOT NULL,
    channel  TEXT NOT NULL,
    thread   TEXT NOT NULL,
    lane     TEXT NOT NULL CHECK (lane IN ('turn', 'control')),
    state    TEXT NOT NULL CHECK (state IN ('received', 'running', 'answered', 'refused', 'failed')),
    -- The platform's id of the message that it is, or that it changes.
    message  TEXT,
    body     TEXT,
    received INTEGER NOT NULL,
    ended    INTEGER,
    -- How often it was changed while it waited; how often its turn was begun, and the last of these turns: its id, its session, and the numbers of the last
    -- message in that session before it and after it.
    edits    INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    turn     TEXT,
    session  TEXT,
    before   INTEGER,
    after    INTEGER,
    UNIQUE (instance, account, event, revision)
) STRICT;

CREATE INDEX inbox_open ON inbox (instance, channel, thread, lane, number) WHERE state IN ('received', 'running');
CREATE INDEX inbox_turn ON inbox (instance, channel, thread, number) WHERE lane = 'turn' AND body IS NOT NULL;
CREATE INDEX inbox_ended ON inbox (ended) WHERE ended IS NOT NULL;
CREATE INDEX inbox_body ON inbox (ended) WHERE ended IS NOT NULL AND body IS NOT NULL;

-- Every message that goes out, in the platform's form, stored before it is sent. `key` is the same whenever the same
-- part is sent again. 'sending' is on disk before the adapter is called, so a part in that state after a crash may have
-- arrived.
CREATE TABLE outbox (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    instance TEXT NOT NULL,
    account  TEXT NOT NULL,
    channel  TEXT NOT NULL,
    thread   TEXT NOT NULL,
    reply_to TEXT,
    inbox    INTEGER,
    key      TEXT NOT NULL,
    part     TEXT,
    state    TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'refused', 'given-up')),
    -- How often it was taken to be sent, so that a sender that lost it cannot put it back; how often that failed.
    claim    INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    created  INTEGER NOT NULL,
    ended    INTEGER,
    -- What the platform calls the message, once it is there.
    message  TEXT,
    -- Why it is not there, and whether the channel's next turn was told.
    why      TEXT,
    told     INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1))
) STRICT;

CREATE INDEX outbox_open ON outbox (instance, channel, thread, number) WHERE state IN ('waiting', 'sending');
CREATE INDEX outbox_lost ON outbox (instance, channel, thread, told) WHERE state IN ('refused', 'given-up');
CREATE INDEX outbox_ended ON outbox (ended) WHERE ended IS NOT NULL;

-- What was chosen for a channel: how much of its work the assistant shows there; and how many messages of other
-- programs it took there since a person last wrote. A channel with neither has no row.
CREATE TABLE chat_channel (
    instance TEXT NOT NULL,
    channel  TEXT NOT NULL,
    thread   TEXT NOT NULL,
    mode     TEXT,
    bots     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (instance, channel, thread)
) STRICT, WITHOUT ROWID;

-- Whether a turn that was cut off had called tools.
CREATE INDEX journal_by_turn ON journal (turn);
