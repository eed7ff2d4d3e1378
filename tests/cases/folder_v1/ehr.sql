
PRAGMA page_size=4096;

BEGIN TRANSACTION;

DROP TABLE IF EXISTS cursor;
CREATE TABLE cursor(name TEXT PRIMARY KEY, lineage TEXT NOT NULL, "offset" INTEGER NOT NULL) STRICT, WITHOUT ROWID;

DROP TABLE IF EXISTS delivery;
CREATE TABLE delivery(
            target TEXT NOT NULL, item INTEGER NOT NULL REFERENCES item(id) ON DELETE CASCADE, rank INTEGER NOT NULL,
            state TEXT NOT NULL DEFAULT 'pending', swap INTEGER NOT NULL DEFAULT 0, sent_version INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0, next_mono INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
            outcome TEXT NOT NULL DEFAULT '', literal TEXT NOT NULL DEFAULT '', done_ns INTEGER, PRIMARY KEY(target, item)
        ) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_item ON delivery(item);
CREATE INDEX delivery_pending ON delivery(target, rank, item) WHERE state = 'pending';
CREATE INDEX delivery_stuck ON delivery(state, target, item) WHERE state IN ('held', 'dead', 'sent');

DROP TABLE IF EXISTS folder_file;
CREATE TABLE folder_file(target TEXT NOT NULL, path TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY(target, path))
            STRICT, WITHOUT ROWID;

DROP TABLE IF EXISTS item;
CREATE TABLE item(
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, resident TEXT NOT NULL, device TEXT NOT NULL,
            t_ns INTEGER NOT NULL, origin INTEGER NOT NULL, test INTEGER NOT NULL, retracted INTEGER NOT NULL DEFAULT 0,
            version INTEGER NOT NULL DEFAULT 1, due_ns INTEGER, created_ns INTEGER NOT NULL, record TEXT NOT NULL,
            UNIQUE(key, resident)
        ) STRICT;
CREATE INDEX item_age ON item(created_ns);
CREATE INDEX item_device ON item(device, t_ns);
CREATE INDEX item_due ON item(due_ns) WHERE due_ns IS NOT NULL;

DROP TABLE IF EXISTS meta;
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('lineage','47dd078d-2f91-490b-b898-8d32bf87908a');

DROP TABLE IF EXISTS meta_component;
CREATE TABLE meta_component(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta_component VALUES('cursor',1);
INSERT INTO meta_component VALUES('ehr',1);
INSERT INTO meta_component VALUES('meta',1);

DROP TABLE IF EXISTS meta_probe;
CREATE TABLE meta_probe(body BLOB NOT NULL) STRICT;

DROP TABLE IF EXISTS reference;
CREATE TABLE reference(
            target TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, literal TEXT NOT NULL, PRIMARY KEY(target, kind, key)
        ) STRICT, WITHOUT ROWID;

pragma user_version=1;
pragma application_id=1095653454;

COMMIT TRANSACTION;
