PRAGMA application_id = 1095653454;
PRAGMA user_version = 1;

PRAGMA page_size=4096;

BEGIN TRANSACTION;

DROP TABLE IF EXISTS cursor;
CREATE TABLE cursor(name TEXT PRIMARY KEY, lineage TEXT NOT NULL, "offset" INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO cursor VALUES('stream','00000000-0000-4000-8000-000000000000',42);

DROP TABLE IF EXISTS event;
CREATE TABLE event(
            "offset" INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
            actor TEXT NOT NULL, body TEXT NOT NULL
        ) STRICT;
INSERT INTO event VALUES(1,1,'resident.admitted','r1','u1','{"name":"王秀英","n":1}');
INSERT INTO event VALUES(2,2,'resident.admitted','r2','u1','{"name":"王秀英","n":2}');
INSERT INTO event VALUES(3,3,'resident.admitted','r3','u1','{"name":"王秀英","n":3}');
CREATE TRIGGER event_place BEFORE UPDATE OF "offset" ON event BEGIN SELECT RAISE(ABORT, 'events never move'); END;
CREATE TRIGGER event_stays BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE INDEX event_subject ON event(subject, "offset");

DROP TABLE IF EXISTS meta;
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('lineage','267e54f8-84a8-4697-960a-185c5c6b1870');

DROP TABLE IF EXISTS meta_component;
CREATE TABLE meta_component(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta_component VALUES('cursor',1);
INSERT INTO meta_component VALUES('events',1);
INSERT INTO meta_component VALUES('meta',1);

DROP TABLE IF EXISTS meta_probe;
CREATE TABLE meta_probe(body BLOB NOT NULL) STRICT;

pragma user_version=1;
pragma application_id=1095653454;

COMMIT TRANSACTION;
