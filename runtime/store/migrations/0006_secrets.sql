-- Secrets that are bound to hosts, and credentials that the host mints.
-- `hosts` is a JSON list, `kind` says what the ciphertext holds; both are bound to it like name and principals.
-- `minted` is when a token was last minted, `problem` why the last attempt failed, for the admin.
ALTER TABLE secret ADD COLUMN hosts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE secret ADD COLUMN kind TEXT NOT NULL DEFAULT 'plain';
ALTER TABLE secret ADD COLUMN minted INTEGER;
ALTER TABLE secret ADD COLUMN problem TEXT;
