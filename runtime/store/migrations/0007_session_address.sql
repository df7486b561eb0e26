-- Addresses that a person wrote in a session, as the URL Standard writes them, without fragments.
CREATE TABLE session_address (
    session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    PRIMARY KEY (session, address)
) STRICT, WITHOUT ROWID;
