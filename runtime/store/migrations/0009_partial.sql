-- Messages that show an answer while it is written, by the event that it answers; whatever ends the event takes their
-- places. A row is written after the platform took its message, so one that was sent in the instant in which the program
-- died is not known here.
CREATE TABLE partial (
    inbox    INTEGER NOT NULL REFERENCES inbox (number) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    message  TEXT NOT NULL,
    PRIMARY KEY (inbox, position)
) STRICT, WITHOUT ROWID;

-- What is done with a part: 'send' makes a message of it, 'edit' puts it in the place of the message `replaces`, and
-- 'delete' takes that message back.
ALTER TABLE outbox ADD COLUMN act TEXT NOT NULL DEFAULT 'send' CHECK (act IN ('send', 'edit', 'delete'));
ALTER TABLE outbox ADD COLUMN replaces TEXT;
