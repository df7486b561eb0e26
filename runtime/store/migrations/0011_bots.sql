-- When another program last wrote in a channel: after a long silence its messages are counted anew.
ALTER TABLE chat_channel ADD COLUMN bots_last INTEGER;
