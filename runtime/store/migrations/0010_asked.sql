-- The event in whose turn a message was sent elsewhere: where it cannot be delivered, the next turn of that event's
-- channel is told, since the place that it was for may never have one.
ALTER TABLE outbox ADD COLUMN asked INTEGER;

CREATE INDEX outbox_asked ON outbox (told, number) WHERE asked IS NOT NULL AND state IN ('refused', 'given-up');
