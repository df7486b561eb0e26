-- A data directory of version 0.1.0 as it was first published: written by that program, dumped as SQL.
PRAGMA application_id = 1330667843;
PRAGMA user_version = 1;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY,
    time    INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    subject TEXT NOT NULL,
    verdict TEXT NOT NULL,
    detail  TEXT NOT NULL,
    hash    BLOB NOT NULL
) STRICT;
INSERT INTO "audit" VALUES(1,1795561599596227,'component.load','runtime','component:workspace','allowed','{"digest":"0cf25c8ceb5839a9d4350bb084ee8780a10ef972a7ad3f690478336401c34dce","key":"46A60E4880010515"}',X'A4EC3CFBE2616644EC9F5E7A1567B1B3EA8306314D43A2819CBD255430F9AEA3');
INSERT INTO "audit" VALUES(2,1795561599693986,'component.load','runtime','component:memory','allowed','{"digest":"84a131bb713ab908a9d0304f61cd1f9f392553daee14a4d0b3d9a6f93217307b","key":"46A60E4880010515"}',X'E6B1B95719EC97675C7EA80F88610B5A88BFC2E171BF7EACB55B40C38FEFDD0B');
INSERT INTO "audit" VALUES(3,1795561599740803,'tool.call.begin','terminal:owner','workspace_write','allowed','{"role":"owner","audience":"private","turn":"turn_5fcc66612513559d92ae","session":"ses_8f3baaa7c81d3af83bc0","channel":"terminal:owner","call":"call_c44211162b56b3c2f901","digest":"0cf25c8ceb5839a9d4350bb084ee8780a10ef972a7ad3f690478336401c34dce","principal":"component:workspace","arguments":{"path":"notes/first.md","content":"written by the first version"}}',X'E88D3EDC03E258F569BB280BE593494D49E6CD289ADE02DD02AA4D28034AEDF3');
INSERT INTO "audit" VALUES(4,1795561599753776,'tool.call','terminal:owner','workspace_write','allowed','{"role":"owner","audience":"private","turn":"turn_5fcc66612513559d92ae","session":"ses_8f3baaa7c81d3af83bc0","channel":"terminal:owner","call":"call_c44211162b56b3c2f901","digest":"0cf25c8ceb5839a9d4350bb084ee8780a10ef972a7ad3f690478336401c34dce","principal":"component:workspace","arguments":{"path":"notes/first.md","content":"written by the first version"},"duration_ms":8,"outcome":"ok"}',X'413BE8CBDFF896CB02EE9158F96A91330BE30C850EF77B03D5BD1F9E8B129053');
INSERT INTO "audit" VALUES(5,1795561599769528,'tool.call.begin','terminal:owner','memory_daily','allowed','{"role":"owner","audience":"private","turn":"turn_b3aa0e438d2e9f7526b0","session":"ses_8f3baaa7c81d3af83bc0","channel":"terminal:owner","call":"call_f2d8f56baa4945ee175a","digest":"84a131bb713ab908a9d0304f61cd1f9f392553daee14a4d0b3d9a6f93217307b","principal":"component:memory","arguments":{"text":"the first version was here"}}',X'46222F93CD242E0E863CEAEE2D1CEA014204D94CF474CBD3B4CC5DE954980BE1');
INSERT INTO "audit" VALUES(6,1795561599773284,'tool.call','terminal:owner','memory_daily','allowed','{"role":"owner","audience":"private","turn":"turn_b3aa0e438d2e9f7526b0","session":"ses_8f3baaa7c81d3af83bc0","channel":"terminal:owner","call":"call_f2d8f56baa4945ee175a","digest":"84a131bb713ab908a9d0304f61cd1f9f392553daee14a4d0b3d9a6f93217307b","principal":"component:memory","arguments":{"text":"the first version was here"},"duration_ms":2,"outcome":"ok"}',X'79069F87A2762BAB3E33DD5F1BD1395307948FF743682FC47855275A35B7E709');
INSERT INTO "audit" VALUES(7,1795561599789463,'tool.call.begin','terminal:owner','workspace_read','allowed','{"role":"owner","audience":"private","turn":"turn_c5135ce217cab09dfd8d","session":"ses_8f3baaa7c81d3af83bc0","channel":"terminal:owner","call":"call_78da4c4f338760dcba64","digest":"0cf25c8ceb5839a9d4350bb084ee8780a10ef972a7ad3f690478336401c34dce","principal":"component:workspace","arguments":{"path":"notes/first.md"}}',X'F99CB40D22584AC28CA30A9D801BDB5D117785559D2119F9AED7212029605F59');
INSERT INTO "audit" VALUES(8,1795561599792350,'tool.call','terminal:owner','workspace_read','allowed','{"role":"owner","audience":"private","turn":"turn_c5135ce217cab09dfd8d","session":"ses_8f3baaa7c81d3af83bc0","channel":"terminal:owner","call":"call_78da4c4f338760dcba64","digest":"0cf25c8ceb5839a9d4350bb084ee8780a10ef972a7ad3f690478336401c34dce","principal":"component:workspace","arguments":{"path":"notes/first.md"},"duration_ms":2,"outcome":"ok"}',X'C1670776F1EFAC034643087B637086FD0C6C0C8E2D1844D3F2A6D7410A25B3EB');
INSERT INTO "audit" VALUES(9,1795561599831693,'secret.set','admin','FIRST_TOKEN','allowed','{}',X'61F01E904527BCCEB8C67663FA57AA247A78AF7FF62E53E8609A71CF825EA6DA');
INSERT INTO "audit" VALUES(10,1795561600041770,'grant.add','admin','component:workspace','allowed','{"rule":"GET https://example.com/first/**"}',X'B5933F54ED3888F8EE22565383E2ED44832BA87C031D5F4C34D2AB1821BF24A6');
CREATE TABLE grant_rule (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    principal TEXT NOT NULL,
    rule      TEXT NOT NULL,
    added_by  TEXT NOT NULL,
    added     INTEGER NOT NULL,
    UNIQUE (principal, rule)
) STRICT;
INSERT INTO "grant_rule" VALUES(1,'component:workspace','GET https://example.com/first/**','admin',1795561600041663);
CREATE TABLE journal (
    call           TEXT PRIMARY KEY,
    turn           TEXT NOT NULL,
    session        TEXT,
    tool           TEXT NOT NULL,
    principal      TEXT NOT NULL,
    digest         BLOB,
    arguments_hash BLOB NOT NULL,
    run            TEXT NOT NULL,
    started        INTEGER NOT NULL,
    finished       INTEGER,
    outcome        TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO "journal" VALUES('call_78da4c4f338760dcba64','turn_c5135ce217cab09dfd8d','ses_8f3baaa7c81d3af83bc0','workspace_read','component:workspace',X'0CF25C8CEB5839A9D4350BB084EE8780A10EF972A7AD3F690478336401C34DCE',X'3FD5E34CC9C92138C25BDFFEDE48B2C0B371B4FD534ED040CC0141DED159EAB2','5a6971d8ba17763e79f5c29d6c9249fd',1795561599789438,1795561599792313,'ok');
INSERT INTO "journal" VALUES('call_c44211162b56b3c2f901','turn_5fcc66612513559d92ae','ses_8f3baaa7c81d3af83bc0','workspace_write','component:workspace',X'0CF25C8CEB5839A9D4350BB084EE8780A10EF972A7AD3F690478336401C34DCE',X'9119164B1E13F1D4E11D4295C68865DF509A3086B8C2E97BD0E3782AB973EC2F','5a6971d8ba17763e79f5c29d6c9249fd',1795561599740735,1795561599753695,'ok');
INSERT INTO "journal" VALUES('call_f2d8f56baa4945ee175a','turn_b3aa0e438d2e9f7526b0','ses_8f3baaa7c81d3af83bc0','memory_daily','component:memory',X'84A131BB713AB908A9D0304F61CD1F9F392553DAEE14A4D0B3D9A6F93217307B',X'AA3787593212281A8C8BBF196771CD9257581956B56046ACE5EC95F03225F94C','5a6971d8ba17763e79f5c29d6c9249fd',1795561599769494,1795561599772758,'ok');
CREATE TABLE key_value (
    owner TEXT NOT NULL,
    key   BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE key_value_size (
    owner TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE message (
    session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,
    created INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "message" VALUES('ses_8cef417816446ed150fa',1,1795561599798543,'{"role":"user","text":"[via terminal, channel:owner, user:owner]\n!tools"}');
INSERT INTO "message" VALUES('ses_8cef417816446ed150fa',2,1795561599800267,'{"role":"assistant","text":"!memory_daily: Adds a note, with the time, to the notes of today, or of another day.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"text\": {\n        \"type\": \"string\",\n        \"description\": \"The note.\"\n      },\n      \"date\": {\n        \"type\": [\n          \"string\",\n          \"null\"\n        ],\n        \"description\": \"The day it belongs to, such as `2026-11-23`; today unless given.\"\n      }\n    },\n    \"required\": [\n      \"text\"\n    ]\n  }\n\n!memory_read: Reads a file of the memory: MEMORY, USER, SOUL or the notes of a day.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"file\": {\n        \"type\": \"string\",\n        \"description\": \"`MEMORY` (what to remember), `USER` (about the owner), `SOUL` (about the assistant), or a day: a date such as `2026-11-23`, `today` or `yesterday`.\"\n      },\n      \"offset\": {\n        \"type\": \"integer\",\n        \"default\": 0,\n        \"minimum\": 0,\n        \"description\": \"The byte to start at; 0 unless given. A longer file says where to continue.\"\n      }\n    },\n    \"required\": [\n      \"file\"\n    ]\n  }\n\n!memory_write: Writes a file of the memory, MEMORY unless told otherwise: replaces it, or adds to it with append. For what happened today use memory_daily.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"content\": {\n        \"type\": \"string\",\n        \"description\": \"The text, in Markdown.\"\n      },\n      \"file\": {\n        \"type\": \"string\",\n        \"description\": \"`MEMORY` (what to remember; unless given), `USER` (about the owner), `SOUL` (about the assistant), or a day: a date such as `2026-11-23`, `today` or `yesterday`.\",\n        \"default\": \"MEMORY\"\n      },\n      \"append\": {\n        \"type\": \"boolean\",\n        \"description\": \"Whether the text is added at the end. Otherwise it takes the place of everything in the file: read it first.\",\n        \"default\": false\n      }\n    },\n    \"required\": [\n      \"content\"\n    ]\n  }\n\n!workspace_delete: Deletes a file or folder of the workspace. It is kept in .trash for 30 days; workspace_move brings it back.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"path\": {\n        \"type\": \"string\",\n        \"description\": \"The file or folder, relative to the workspace.\"\n      }\n    },\n    \"required\": [\n      \"path\"\n    ]\n  }\n\n!workspace_edit: Replaces one piece of a text file of the workspace. The old text must be in the file exactly once; otherwise nothing changes.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"path\": {\n        \"type\": \"string\",\n        \"description\": \"The file, relative to the workspace.\"\n      },\n      \"old\": {\n        \"type\": \"string\",\n        \"description\": \"The text to replace, exactly as in the file with its spaces and line ends. It must be there once: give enough of its surroundings.\"\n      },\n      \"new\": {\n        \"type\": \"string\",\n        \"description\": \"The text to put in its place; empty removes it.\"\n      }\n    },\n    \"required\": [\n      \"path\",\n      \"old\",\n      \"new\"\n    ]\n  }\n\n!workspace_list: Lists files, with their size in bytes, and folders (with \"/\" at the end) of the workspace.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"path\": {\n        \"type\": \"string\",\n        \"description\": \"The folder, relative to the workspace; the workspace itself unless given. `.trash` shows what was deleted.\",\n        \"default\": \"\"\n      },\n      \"recursive\": {\n        \"type\": \"boolean\",\n        \"description\": \"Whether to show what is in the folders too.\",\n        \"default\": false\n      },\n      \"glob\": {\n        \"type\": [\n          \"string\",\n          \"null\"\n        ],\n        \"description\": \"Shows only what matches, such as `*.md` (the name, in any folder) or `notes/**/*.md` (the path).\"\n      }\n    }\n  }\n\n!workspace_move: Moves or renames a file or folder of the workspace, and brings deleted things back from .trash. Nothing is overwritten.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"from\": {\n        \"type\": \"string\",\n        \"description\": \"The file or folder, relative to the workspace. Something in `.trash` is brought back.\"\n      },\n      \"to\": {\n        \"type\": \"string\",\n        \"description\": \"Its new path. Nothing may be there; folders that are not there are made.\"\n      }\n    },\n    \"required\": [\n      \"from\",\n      \"to\"\n    ]\n  }\n\n!workspace_read: Reads a text file of the workspace. A long file comes in parts: the answer then says at which offset to continue. Of a file that is not text only its kind and size are told.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"path\": {\n        \"type\": \"string\",\n        \"description\": \"The file, relative to the workspace, such as `notes/today.md`.\"\n      },\n      \"offset\": {\n        \"type\": \"integer\",\n        \"default\": 0,\n        \"minimum\": 0,\n        \"description\": \"The byte to start at; 0 unless given. A longer file says where to continue.\"\n      },\n      \"limit\": {\n        \"type\": [\n          \"integer\",\n          \"null\"\n        ],\n        \"maximum\": 262144,\n        \"minimum\": 1,\n        \"description\": \"How many bytes to read at most, up to 262144; 65536 unless given.\"\n      }\n    },\n    \"required\": [\n      \"path\"\n    ]\n  }\n\n!workspace_search: Looks for text or a regular expression in the text files of the workspace. Each hit is shown as path:line: text.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"query\": {\n        \"type\": [\n          \"string\",\n          \"null\"\n        ],\n        \"description\": \"Text to look for, whatever its case. Give either this or `regex`.\"\n      },\n      \"regex\": {\n        \"type\": [\n          \"string\",\n          \"null\"\n        ],\n        \"description\": \"Regular expression to look for, line by line; `(?i)` at its start ignores case, and classes such as `\\\\w` mean ASCII. Give either this or `query`.\"\n      },\n      \"glob\": {\n        \"type\": [\n          \"string\",\n          \"null\"\n        ],\n        \"description\": \"Searches only files that match, such as `*.md` (the name, in any folder) or `notes/**/*.md` (the path).\"\n      },\n      \"path\": {\n        \"type\": \"string\",\n        \"description\": \"Searches only this folder.\",\n        \"default\": \"\"\n      }\n    }\n  }\n\n!workspace_write: Writes a text file of the workspace: as a whole, at its end, or only if it is new. To change a part of a file use workspace_edit.\n  {\n    \"type\": \"object\",\n    \"additionalProperties\": false,\n    \"properties\": {\n      \"path\": {\n        \"type\": \"string\",\n        \"description\": \"The file, relative to the workspace. Folders that are not there are made.\"\n      },\n      \"content\": {\n        \"type\": \"string\",\n        \"description\": \"The text, at most 1 MiB.\"\n      },\n      \"mode\": {\n        \"description\": \"How to write it; `overwrite` unless given.\\n- `overwrite`: The content takes the place of the old one; the file is made if it is not there.\\n- `append`: The content is added at the end; the file is made if it is not there.\\n- `create`: The file is made; it must not be there.\",\n        \"type\": \"string\",\n        \"enum\": [\n          \"overwrite\",\n          \"append\",\n          \"create\"\n        ]\n      }\n    },\n    \"required\": [\n      \"path\",\n      \"content\"\n    ]\n  }","calls":[]}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',1,1795561599733828,'{"role":"user","text":"[via terminal, channel:owner, user:owner]\n!workspace_write {\"path\":\"notes/first.md\",\"content\":\"written by the first version\"}"}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',2,1795561599737178,'{"role":"assistant","text":"","calls":[{"id":"7aafoyca2","name":"workspace_write","arguments":"{\"path\":\"notes/first.md\",\"content\":\"written by the first version\"}"}]}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',3,1795561599754476,'{"role":"tool","id":"7aafoyca2","is_error":false,"text":"Wrote 28 bytes to \"notes/first.md\"."}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',4,1795561599757273,'{"role":"assistant","text":"Wrote 28 bytes to \"notes/first.md\".","calls":[]}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',5,1795561599763257,'{"role":"user","text":"[via terminal, channel:owner, user:owner]\n!memory_daily {\"text\":\"the first version was here\"}"}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',6,1795561599765283,'{"role":"assistant","text":"","calls":[{"id":"2uajxphup","name":"memory_daily","arguments":"{\"text\":\"the first version was here\"}"}]}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',7,1795561599777165,'{"role":"tool","id":"2uajxphup","is_error":false,"text":"Noted in 2026-11-24.md."}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',8,1795561599780747,'{"role":"assistant","text":"Noted in 2026-11-24.md.","calls":[]}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',9,1795561599785163,'{"role":"user","text":"[via terminal, channel:owner, user:owner]\n!workspace_read {\"path\":\"notes/first.md\"}"}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',10,1795561599786054,'{"role":"assistant","text":"","calls":[{"id":"2hdxvr7cb","name":"workspace_read","arguments":"{\"path\":\"notes/first.md\"}"}]}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',11,1795561599793055,'{"role":"tool","id":"2hdxvr7cb","is_error":false,"text":"written by the first version"}');
INSERT INTO "message" VALUES('ses_8f3baaa7c81d3af83bc0',12,1795561599793738,'{"role":"assistant","text":"written by the first version","calls":[]}');
CREATE TABLE publisher (
    name     TEXT NOT NULL,
    key      TEXT NOT NULL,
    prefixes TEXT NOT NULL,
    added_by TEXT NOT NULL,
    added    INTEGER NOT NULL,
    PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE secret (
    name       TEXT PRIMARY KEY,
    nonce      BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    principals TEXT NOT NULL,
    created    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    last_used  INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "secret" VALUES('FIRST_TOKEN',X'114F4FCC6CD71FF82A8AEC772D493E3DC35CD48A2185076C',X'516AFEFF5022DBE72BD9DDA8B2569546DABBD790FCF139331CB7E2ED6ABE9123222AF5812690E3F85EB5A0920DCA45FD2856','[]',1795561599831624,1795561599831624,NULL);
CREATE TABLE session (
    id      TEXT PRIMARY KEY,
    engine  TEXT NOT NULL,
    title   TEXT NOT NULL,
    model   TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "session" VALUES('ses_8cef417816446ed150fa','direct','!tools',NULL,1795561599795553,1795561599800267);
INSERT INTO "session" VALUES('ses_8f3baaa7c81d3af83bc0','direct','The first conversation',NULL,1795561599726131,1795561599794901);
CREATE TABLE session_channel (
    provider TEXT NOT NULL,
    channel  TEXT NOT NULL,
    thread   TEXT NOT NULL,
    session  TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    active   INTEGER NOT NULL CHECK (active IN (0, 1)),
    since    INTEGER NOT NULL,
    PRIMARY KEY (provider, channel, thread, session)
) STRICT, WITHOUT ROWID;
INSERT INTO "session_channel" VALUES('terminal','owner','','ses_8cef417816446ed150fa',1,1795561599796418);
INSERT INTO "session_channel" VALUES('terminal','owner','','ses_8f3baaa7c81d3af83bc0',0,1795561599727558);
CREATE TABLE setting (
    scope   TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "setting" VALUES('session-audience','ses_8cef417816446ed150fa','"private"',1795561599796003);
INSERT INTO "setting" VALUES('session-audience','ses_8f3baaa7c81d3af83bc0','"private"',1795561599726937);
INSERT INTO "setting" VALUES('store','audit-seal','{"number":10,"hash":"b5933f54ed3888f8ee22565383e2ed44832ba87c031d5f4c34d2ab1821bf24a6","code":"ea7f905d0a0d97546567b6671a6904906953e8628b084c491684e4f6d6a23fcb"}',1795561600041831);
INSERT INTO "setting" VALUES('store','key-check','"2a57da5cee8fddcfc2b3000aedbb153aafb472c11b1f285878ffe01315c01ef4"',1795561597433027);
ANALYZE "sqlite_master";
INSERT INTO "sqlite_stat1" VALUES('setting','setting','4 2 1');
INSERT INTO "sqlite_stat1" VALUES('journal','journal_finished','3 1');
INSERT INTO "sqlite_stat1" VALUES('journal','journal_open','0 0');
INSERT INTO "sqlite_stat1" VALUES('journal','journal','3 1');
INSERT INTO "sqlite_stat1" VALUES('session_channel','session_channel_by_session','2 1');
INSERT INTO "sqlite_stat1" VALUES('session_channel','session_channel_active','1 1 1 1');
INSERT INTO "sqlite_stat1" VALUES('session_channel','session_channel','2 2 2 2 1');
INSERT INTO "sqlite_stat1" VALUES('message','message','14 7 1');
INSERT INTO "sqlite_stat1" VALUES('session','session_by_engine','2 2 1');
INSERT INTO "sqlite_stat1" VALUES('session','session','2 1');
INSERT INTO "sqlite_stat1" VALUES('secret','secret','1 1');
INSERT INTO "sqlite_stat1" VALUES('grant_rule','sqlite_autoindex_grant_rule_1','1 1 1');
CREATE TABLE usage (
    id      INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    input   INTEGER NOT NULL,
    output  INTEGER NOT NULL,
    cached  INTEGER NOT NULL,
    cost    REAL
) STRICT;
CREATE INDEX session_by_engine ON session (engine, updated);
CREATE UNIQUE INDEX session_channel_active ON session_channel (provider, channel, thread) WHERE active = 1;
CREATE INDEX session_channel_by_session ON session_channel (session);
CREATE INDEX usage_by_session ON usage (session);
CREATE INDEX journal_open ON journal (started) WHERE outcome IS NULL;
CREATE INDEX journal_finished ON journal (finished) WHERE outcome IS NOT NULL;
CREATE TRIGGER key_value_inserted AFTER INSERT ON key_value BEGIN
    INSERT INTO key_value_size (owner, bytes) VALUES (new.owner, length(new.key) + length(new.value))
        ON CONFLICT (owner) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER key_value_updated AFTER UPDATE ON key_value BEGIN
    UPDATE key_value_size SET bytes = bytes + length(new.value) - length(old.value) WHERE owner = new.owner;
END;
CREATE TRIGGER key_value_deleted AFTER DELETE ON key_value BEGIN
    UPDATE key_value_size SET bytes = bytes - length(old.key) - length(old.value) WHERE owner = old.owner;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('grant_rule',1);
COMMIT;
