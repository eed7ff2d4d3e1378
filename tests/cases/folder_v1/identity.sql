
PRAGMA page_size=4096;

BEGIN TRANSACTION;

DROP TABLE IF EXISTS cursor;
CREATE TABLE cursor(name TEXT PRIMARY KEY, lineage TEXT NOT NULL, "offset" INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO cursor VALUES('journal','adccfea0-5248-4df6-8cd8-5c8e02f8cc09',29);

DROP TABLE IF EXISTS identity_device;
CREATE TABLE identity_device(device TEXT PRIMARY KEY, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO identity_device VALUES('band-1',1767226200000000000,1767226201000000000);
INSERT INTO identity_device VALUES('button-1',1767226202000000000,1767226202000000000);
INSERT INTO identity_device VALUES('button-2',1767226203000000000,1767226203000000000);
INSERT INTO identity_device VALUES('button-3',1767226204000000000,1767226204000000000);
INSERT INTO identity_device VALUES('button-4',1767226205000000000,1767226205000000000);
INSERT INTO identity_device VALUES('button-5',1767226206000000000,1767226206000000000);
INSERT INTO identity_device VALUES('stranger',1767226202000000000,1767226202000000000);

DROP TABLE IF EXISTS identity_hash;
CREATE TABLE identity_hash(h INTEGER PRIMARY KEY, expires_ns INTEGER NOT NULL) STRICT;
INSERT INTO identity_hash VALUES(683927209248248171,0);
INSERT INTO identity_hash VALUES(1049372783443494911,0);
INSERT INTO identity_hash VALUES(4789208781914822524,0);
INSERT INTO identity_hash VALUES(7811746783517771229,0);
INSERT INTO identity_hash VALUES(8967113730180293520,0);

DROP TABLE IF EXISTS identity_run;
CREATE TABLE identity_run(
            device TEXT NOT NULL, boot_id TEXT NOT NULL, last_ns INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(device, boot_id)
        ) STRICT, WITHOUT ROWID;
INSERT INTO identity_run VALUES('band-1','boot-1',1767226201000000000,'{"first":0,"floor":0,"high":19,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226200000000000,"last_ns":1767226201000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[[13,13]]}');
INSERT INTO identity_run VALUES('band-2','boot-1',1767226202000000000,'{"first":0,"floor":0,"high":0,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226202000000000,"last_ns":1767226202000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[]}');
INSERT INTO identity_run VALUES('button-1','boot-1',1767226202000000000,'{"first":0,"floor":0,"high":0,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226202000000000,"last_ns":1767226202000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[]}');
INSERT INTO identity_run VALUES('button-2','boot-1',1767226203000000000,'{"first":0,"floor":0,"high":0,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226203000000000,"last_ns":1767226203000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[]}');
INSERT INTO identity_run VALUES('button-3','boot-1',1767226204000000000,'{"first":0,"floor":0,"high":0,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226204000000000,"last_ns":1767226204000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[]}');
INSERT INTO identity_run VALUES('button-4','boot-1',1767226205000000000,'{"first":0,"floor":0,"high":0,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226205000000000,"last_ns":1767226205000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[]}');
INSERT INTO identity_run VALUES('button-5','boot-1',1767226206000000000,'{"first":0,"floor":0,"high":0,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226206000000000,"last_ns":1767226206000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[]}');
INSERT INTO identity_run VALUES('stranger','boot-1',1767226202000000000,'{"first":0,"floor":0,"high":0,"given_up":0,"skipped":0,"lost_before":0,"epoch":0,"duplicates":0,"first_ns":1767226202000000000,"last_ns":1767226202000000000,"t_device_ns":null,"offset_ns":null,"offset_at_ns":0,"gaps":[]}');

DROP TABLE IF EXISTS meta;
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('lineage','770afebd-6455-4bea-aa3d-b162de7564bd');

DROP TABLE IF EXISTS meta_component;
CREATE TABLE meta_component(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta_component VALUES('cursor',1);
INSERT INTO meta_component VALUES('identity',1);
INSERT INTO meta_component VALUES('meta',1);

DROP TABLE IF EXISTS meta_probe;
CREATE TABLE meta_probe(body BLOB NOT NULL) STRICT;

pragma user_version=1;
pragma application_id=1095653454;

COMMIT TRANSACTION;
