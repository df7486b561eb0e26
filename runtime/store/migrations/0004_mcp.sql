-- Clients of the MCP endpoint. Of a token only its SHA-256 is here; `tools` is a JSON list of patterns.
CREATE TABLE mcp_client (
    name       TEXT PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    role       TEXT NOT NULL CHECK (role IN ('guest', 'member', 'owner')),
    tools      TEXT NOT NULL,
    added_by   TEXT NOT NULL,
    added      INTEGER NOT NULL,
    last_used  INTEGER
) STRICT, WITHOUT ROWID;
