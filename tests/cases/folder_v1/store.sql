
PRAGMA page_size=4096;

BEGIN TRANSACTION;

DROP TABLE IF EXISTS account;
CREATE TABLE account (
            user_id TEXT PRIMARY KEY, login TEXT NOT NULL UNIQUE, hash TEXT NOT NULL, must_change INTEGER NOT NULL,
            changed_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO account VALUES('u-doc','doc','$argon2id$v=19$m=19456,t=2,p=1$nq9Y/bJ9WbA62tDIXFN6ow$ID6WzTuCPl9s+AX2+FN3oT4IQwtf/ULgdFVkwvHIl5Y',0,1767226200000000000);
INSERT INTO account VALUES('u-mei','mei','$argon2id$v=19$m=19456,t=2,p=1$AJjVCSNpTrQn84JfsUdLPw$s7r1vDrCgeWO4JPtp2ZPjnGCrm+8VmL83KnArg8x/wQ',0,1767226200000000000);
INSERT INTO account VALUES('u-ops','ops','$argon2id$v=19$m=19456,t=2,p=1$y68iwIhrcznyWI9MsLxpJQ$+DKNxFLZGjkm+MvyTlbQCYH+bJUS0Il4RnJwp9r7uc4',0,1767226200000000000);
INSERT INTO account VALUES('u-root','root','$argon2id$v=19$m=19456,t=2,p=1$/nS2HUj+CtK98Pey7K4t6w$lM7Y3xjgyBjUI7GYw1IGWHbWVBkQpNnluSgSoThwwmM',0,1767226200000000000);
INSERT INTO account VALUES('u-son','son','$argon2id$v=19$m=19456,t=2,p=1$RIWGupU4ptVljDRrecQg5A$lnQikWYavtuKxmKUvwXllWWZasQkxcvR2XlHYmMPodM',0,1767226200000000000);

DROP TABLE IF EXISTS alert_clock;
CREATE TABLE alert_clock (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            wall_ns INTEGER NOT NULL,
            mono_ns INTEGER NOT NULL,
            beats INTEGER NOT NULL
        );
INSERT INTO alert_clock VALUES(1,1767226207000000000,8558545146976,0);

DROP TABLE IF EXISTS alert_findings;
CREATE TABLE alert_findings (
            finding_id TEXT NOT NULL,
            phase TEXT NOT NULL,
            offset INTEGER NOT NULL,
            alert_id TEXT NOT NULL,
            t_ns INTEGER NOT NULL,
            PRIMARY KEY (finding_id, phase, offset)
        ) WITHOUT ROWID;
INSERT INTO alert_findings VALUES('44ae0652e1340a9a4f84f11f','start',27,'019b76e3-eb18-7000-8218-f358de9903c8',1767226207000000000);
INSERT INTO alert_findings VALUES('9295f29a82caabb852f56236','start',23,'019b76e3-eb18-7000-bfab-e3eaff41bf82',1767226207000000000);
INSERT INTO alert_findings VALUES('R-5.limit.spo2.low.1','start',1,'019b76e4-0a58-7000-9616-aa5f0587ab19',1767226215000000000);
INSERT INTO alert_findings VALUES('R-6.limit.spo2.low.1','end',2,'019b76e4-0a58-7000-9909-dceabddf6f88',1767226216000000000);
INSERT INTO alert_findings VALUES('R-6.limit.spo2.low.1','start',1,'019b76e4-0a58-7000-9909-dceabddf6f88',1767226215000000000);
INSERT INTO alert_findings VALUES('d399bc00dd442ce3e18cbbfb','start',24,'019b76e3-eb18-7000-8c42-c180e85e7f36',1767226207000000000);
INSERT INTO alert_findings VALUES('d578bffedb13517fce5b646e','start',25,'019b76e3-eb18-7000-8159-c6e8e28ed7aa',1767226207000000000);
INSERT INTO alert_findings VALUES('ee6c13d09732f2b940339b3f','start',26,'019b76e3-eb18-7000-8413-c9630e5f05bb',1767226207000000000);
CREATE INDEX alert_findings_age ON alert_findings (t_ns);

DROP TABLE IF EXISTS alert_transitions;
CREATE TABLE alert_transitions (
            alert_id TEXT NOT NULL,
            n INTEGER NOT NULL,
            t_ns INTEGER NOT NULL,
            kind TEXT NOT NULL,
            why TEXT NOT NULL,
            actor TEXT NOT NULL,
            actor_name TEXT NOT NULL,
            event_offset INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (alert_id, n)
        ) WITHOUT ROWID;
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8159-c6e8e28ed7aa',1,1767226207000000000,'raised','new','system','system',46,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8159-c6e8e28ed7aa',2,1767226209000000000,'claimed','person','u-mei','Mei',50,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8159-c6e8e28ed7aa',3,1767226210000000000,'arrived','person','u-mei','Mei',51,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8218-f358de9903c8',1,1767226207000000000,'raised','new','system','system',48,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8218-f358de9903c8',2,1767226214000000000,'claimed','person','u-mei','Mei',55,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8218-f358de9903c8',3,1767226215000000000,'released','person','u-mei','Mei',56,'{"owner": "u-mei"}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8413-c9630e5f05bb',1,1767226207000000000,'raised','new','system','system',47,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8413-c9630e5f05bb',2,1767226211000000000,'claimed','person','u-mei','Mei',52,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8413-c9630e5f05bb',3,1767226212000000000,'arrived','person','u-mei','Mei',53,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8413-c9630e5f05bb',4,1767226213000000000,'resolved','person','u-mei','Mei',54,'{"note": "扶起", "outcome": "helped"}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8c42-c180e85e7f36',1,1767226207000000000,'raised','new','system','system',45,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-8c42-c180e85e7f36',2,1767226208000000000,'claimed','person','u-mei','Mei',49,'{}');
INSERT INTO alert_transitions VALUES('019b76e3-eb18-7000-bfab-e3eaff41bf82',1,1767226207000000000,'raised','new','system','system',44,'{}');
INSERT INTO alert_transitions VALUES('019b76e4-0a58-7000-9616-aa5f0587ab19',1,1767226215000000000,'raised','new','system','system',57,'{}');
INSERT INTO alert_transitions VALUES('019b76e4-0a58-7000-9616-aa5f0587ab19',2,1767226217000000000,'silenced','person','u-mei','Mei',61,'{"reason": "在床旁", "span_s": 60.0}');
INSERT INTO alert_transitions VALUES('019b76e4-0a58-7000-9909-dceabddf6f88',1,1767226215000000000,'raised','new','system','system',58,'{}');
INSERT INTO alert_transitions VALUES('019b76e4-0a58-7000-9909-dceabddf6f88',2,1767226216000000000,'condition_over','condition_over','system','system',59,'{}');
INSERT INTO alert_transitions VALUES('019b76e4-0a58-7000-9909-dceabddf6f88',3,1767226216000000000,'cleared','condition_over','system','system',60,'{}');

DROP TABLE IF EXISTS alert_why;
CREATE TABLE alert_why (
            alert_id TEXT NOT NULL,
            n INTEGER NOT NULL,             -- of the transition
            recipient TEXT NOT NULL,
            name TEXT NOT NULL,
            t_ns INTEGER NOT NULL,
            channels TEXT NOT NULL,
            told INTEGER NOT NULL,
            reason TEXT NOT NULL,
            page_key TEXT NOT NULL
        );
INSERT INTO alert_why VALUES('019b76e3-eb18-7000-bfab-e3eaff41bf82',1,'P-mei','Mei',1767226207000000000,'hook',1,'new','019b76e3-eb18-7000-bfab-e3eaff41bf82.1.P-mei');
INSERT INTO alert_why VALUES('019b76e3-eb18-7000-8c42-c180e85e7f36',1,'P-mei','Mei',1767226207000000000,'hook',1,'new','019b76e3-eb18-7000-8c42-c180e85e7f36.1.P-mei');
INSERT INTO alert_why VALUES('019b76e3-eb18-7000-8159-c6e8e28ed7aa',1,'P-mei','Mei',1767226207000000000,'hook',1,'new','019b76e3-eb18-7000-8159-c6e8e28ed7aa.1.P-mei');
INSERT INTO alert_why VALUES('019b76e3-eb18-7000-8413-c9630e5f05bb',1,'P-mei','Mei',1767226207000000000,'hook',1,'new','019b76e3-eb18-7000-8413-c9630e5f05bb.1.P-mei');
INSERT INTO alert_why VALUES('019b76e3-eb18-7000-8218-f358de9903c8',1,'P-mei','Mei',1767226207000000000,'hook',1,'new','019b76e3-eb18-7000-8218-f358de9903c8.1.P-mei');
INSERT INTO alert_why VALUES('019b76e3-eb18-7000-8218-f358de9903c8',3,'P-mei','Mei',1767226215000000000,'hook',1,'released','019b76e3-eb18-7000-8218-f358de9903c8.3.P-mei');
INSERT INTO alert_why VALUES('019b76e4-0a58-7000-9616-aa5f0587ab19',1,'P-mei','Mei',1767226215000000000,'hook',1,'new','019b76e4-0a58-7000-9616-aa5f0587ab19.1.P-mei');
INSERT INTO alert_why VALUES('019b76e4-0a58-7000-9909-dceabddf6f88',1,'P-mei','Mei',1767226215000000000,'hook',1,'new','019b76e4-0a58-7000-9909-dceabddf6f88.1.P-mei');
CREATE INDEX alert_why_alert ON alert_why (alert_id, n);

DROP TABLE IF EXISTS alerts;
CREATE TABLE alerts (
            id TEXT PRIMARY KEY,
            subject TEXT NOT NULL,
            kind TEXT NOT NULL,
            cause TEXT NOT NULL,
            origin INTEGER NOT NULL,
            open INTEGER NOT NULL,
            state TEXT NOT NULL,
            priority INTEGER NOT NULL,
            site_id TEXT,
            folded_into TEXT,
            claimed_by TEXT,
            raised_ns INTEGER NOT NULL,
            last_ns INTEGER NOT NULL,
            resolved_ns INTEGER,
            due_mono INTEGER,               -- next timer on this run's monotonic clock
            body TEXT NOT NULL
        ) WITHOUT ROWID;
INSERT INTO alerts VALUES('019b76e3-eb18-7000-8159-c6e8e28ed7aa','R-3','call','call.sos',0,1,'arrived',3,'site',NULL,'u-mei',1767226207000000000,1767226207000000000,NULL,8678935956536,'{"v":1,"view":{"id":"019b76e3-eb18-7000-8159-c6e8e28ed7aa","version":3,"state":"arrived","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-3","device_id":"button-3","site_id":"site","zone_id":"zone","place":"3-03","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226330000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226209000000000,"arrived_ns":1767226210000000000,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"subject":"R-3","initials":"周*","timers":{"step":[8678935956536,1767226330000000000,120000000000]},"findings":[],"told":[8558555026010,1767226209619069474]}');
INSERT INTO alerts VALUES('019b76e3-eb18-7000-8218-f358de9903c8','R-5','call','call.sos',0,1,'raised',3,'site',NULL,NULL,1767226207000000000,1767226207000000000,NULL,8588941543592,'{"v":1,"view":{"id":"019b76e3-eb18-7000-8218-f358de9903c8","version":3,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-5","device_id":"button-5","site_id":"site","zone_id":"zone","place":"3-05","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226245000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"subject":"R-5","initials":"陈*","timers":{"step":[8588941543592,1767226245000000000,30000000000]},"findings":[],"told":[8558941543592,1767226215000000000]}');
INSERT INTO alerts VALUES('019b76e3-eb18-7000-8413-c9630e5f05bb','R-4','call','call.sos',0,0,'resolved',3,'site',NULL,'u-mei',1767226207000000000,1767226207000000000,1767226213000000000,NULL,'{"v":1,"view":{"id":"019b76e3-eb18-7000-8413-c9630e5f05bb","version":4,"state":"resolved","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-4","device_id":"button-4","site_id":"site","zone_id":"zone","place":"3-04","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":null,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226211000000000,"arrived_ns":1767226212000000000,"resolved_ns":1767226213000000000,"outcome":"helped","note":"扶起","silenced_until_ns":null,"supported_by":[],"folded_into":null},"subject":"R-4","initials":"李*","timers":{},"findings":[],"told":[8558556751788,1767226212617802397]}');
INSERT INTO alerts VALUES('019b76e3-eb18-7000-8c42-c180e85e7f36','R-2','call','call.sos',0,1,'claimed',3,'site',NULL,'u-mei',1767226207000000000,1767226207000000000,NULL,8618933589624,'{"v":1,"view":{"id":"019b76e3-eb18-7000-8c42-c180e85e7f36","version":2,"state":"claimed","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-2","device_id":"button-2","site_id":"site","zone_id":"zone","place":"3-02","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226268000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226208000000000,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"subject":"R-2","initials":"刘*","timers":{"step":[8618933589624,1767226268000000000,60000000000],"review":[8798933589624,1767226448000000000,240000000000]},"findings":[],"told":[8558553143167,1767226207619553543]}');
INSERT INTO alerts VALUES('019b76e3-eb18-7000-bfab-e3eaff41bf82','R-1','call','call.sos',0,1,'raised',3,'site',NULL,NULL,1767226207000000000,1767226207000000000,NULL,8588550734192,'{"v":1,"view":{"id":"019b76e3-eb18-7000-bfab-e3eaff41bf82","version":1,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-1","device_id":"button-1","site_id":"site","zone_id":"zone","place":"3-01","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226237000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"subject":"R-1","initials":"王*","timers":{"step":[8588550734192,1767226237000000000,30000000000]},"findings":[],"told":[8558550734192,1767226207000000000]}');
INSERT INTO alerts VALUES('019b76e4-0a58-7000-9616-aa5f0587ab19','R-5','physiological','spo2.low',0,1,'raised',2,'site',NULL,NULL,1767226215000000000,1767226215000000000,NULL,8618947447580,'{"v":1,"view":{"id":"019b76e4-0a58-7000-9616-aa5f0587ab19","version":2,"state":"raised","priority":2,"kind":"physiological","rule":"limit.spo2.low","cause":"spo2.low","code":"finding.limit.low","params":{"value":85.0,"limit":90.0},"resident_id":"R-5","device_id":"band-2","site_id":"site","zone_id":"zone","place":"3-05","raised_ns":1767226215000000000,"last_ns":1767226215000000000,"count":1,"latched":false,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226516996123480,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":1767226277000000000,"supported_by":[],"folded_into":null},"subject":"R-5","initials":"陈*","timers":{"step":[8858943571060,1767226516996123480,299996123480],"silence":[8618947447580,1767226277000000000,60000000000]},"findings":["R-5.limit.spo2.low.1"],"told":[8558943571060,1767226216996123480]}');
INSERT INTO alerts VALUES('019b76e4-0a58-7000-9909-dceabddf6f88','R-6','physiological','spo2.low',0,1,'cleared',2,'site',NULL,NULL,1767226215000000000,1767226215000000000,NULL,NULL,'{"v":1,"view":{"id":"019b76e4-0a58-7000-9909-dceabddf6f88","version":2,"state":"cleared","priority":2,"kind":"physiological","rule":"limit.spo2.low","cause":"spo2.low","code":"finding.limit.low","params":{"value":85.0,"limit":90.0},"resident_id":"R-6","device_id":"band-2","site_id":"site","zone_id":"zone","place":"3-06","raised_ns":1767226215000000000,"last_ns":1767226215000000000,"count":1,"latched":false,"condition_over":true,"late_s":0.0,"origin":0,"step":0,"next_step_ns":null,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"subject":"R-6","initials":"王*","timers":{},"findings":[],"told":[8558943571060,1767226215997712115]}');
CREATE INDEX alerts_by_cause ON alerts (subject, kind, cause, origin, raised_ns);
CREATE INDEX alerts_due ON alerts (due_mono) WHERE due_mono IS NOT NULL;
CREATE INDEX alerts_folded ON alerts (folded_into) WHERE folded_into IS NOT NULL AND open = 1;
CREATE UNIQUE INDEX alerts_one_open ON alerts (subject, kind, cause, origin) WHERE open = 1;
CREATE INDEX alerts_open ON alerts (open, raised_ns);

DROP TABLE IF EXISTS audit;
CREATE TABLE audit (
            n INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL,
            subject TEXT NOT NULL, resident TEXT, purpose TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL
        ) STRICT;
INSERT INTO audit VALUES(1,1767226200000000000,'system','','site.set','site',NULL,'','allowed','{"offset":1}',X'23A5A575901A272566ED66A45F36D0D2A0474DA4B3CAB175544FAC6C07E4F64E');
INSERT INTO audit VALUES(2,1767226200000000000,'system','','zone.set','zone',NULL,'','allowed','{"offset":2}',X'455273BAAA453F4A0DE803201D3DEE6D0D48C8BB9C6D120619AA488D6A16F312');
INSERT INTO audit VALUES(3,1767226200000000000,'system','','staff.set','P-mei',NULL,'','allowed','{"offset":3}',X'7EC9CA5C1BAF78937DA42C07652CCF386D4A4BE81276A29A305710A64D0143E3');
INSERT INTO audit VALUES(4,1767226200000000000,'system','','rota.set','rota-1',NULL,'','allowed','{"offset":4}',X'804856ED3F4E58714DB4F1E79962E6AA63286D04D89F1BBBA38DCE5018156E9A');
INSERT INTO audit VALUES(5,1767226200000000000,'system','','bed.set','bed-1',NULL,'','allowed','{"offset":5}',X'19199FA1F8896F504AF660F51F0CA49559FB904A0689470E0E329F6203BAF96C');
INSERT INTO audit VALUES(6,1767226200000000000,'system','','resident.admitted','R-1','R-1','','allowed','{"offset":6}',X'436B6A09792D308AE1DD68BCACF1B4E380A407A864A0307D956451D0EDE442B7');
INSERT INTO audit VALUES(7,1767226200000000000,'system','','device.set','button-1',NULL,'','allowed','{"offset":7}',X'346474BF7BC08EC46AEB5645D10204BCE314AF29FE36E014A22801DE9AF36442');
INSERT INTO audit VALUES(8,1767226200000000000,'system','','binding.set','bind-1','R-1','','allowed','{"offset":8}',X'FD8F903ED4E723BCE592D5C721ED9B8B1F63DEA9E851E68B9EAFF56607831913');
INSERT INTO audit VALUES(9,1767226200000000000,'system','','bed.set','bed-2',NULL,'','allowed','{"offset":9}',X'D326A30C748085C8C5D8C58395CDEBBB70D36DC400D6AEFE6E370D2FA87053F5');
INSERT INTO audit VALUES(10,1767226200000000000,'system','','resident.admitted','R-2','R-2','','allowed','{"offset":10}',X'471ED5897DCD0D50662983682412FE3459BA3F995BB285C4398411546ABB3BA3');
INSERT INTO audit VALUES(11,1767226200000000000,'system','','device.set','button-2',NULL,'','allowed','{"offset":11}',X'5A59F9510714C89A0AE3B8F0E066A42BB288B1451B61D21C5D54DFBEECD2FE35');
INSERT INTO audit VALUES(12,1767226200000000000,'system','','binding.set','bind-2','R-2','','allowed','{"offset":12}',X'6958915AF50297AF51E07CF191E62083649C0075F708CC867E5C5B17A680D091');
INSERT INTO audit VALUES(13,1767226200000000000,'system','','bed.set','bed-3',NULL,'','allowed','{"offset":13}',X'8966E04AEE92CAEAFD5D677522519E8A0BFE9757C1CD4051A46197FFDD297A6C');
INSERT INTO audit VALUES(14,1767226200000000000,'system','','resident.admitted','R-3','R-3','','allowed','{"offset":14}',X'91F458B8D322C3128CFC2A5B33E1717FD6873CA8C1D57810E047CB8D7F578CA7');
INSERT INTO audit VALUES(15,1767226200000000000,'system','','device.set','button-3',NULL,'','allowed','{"offset":15}',X'69C73F42A71C1B874D14740FDAB1AC905D425E084A3010496F0BC5928A38534C');
INSERT INTO audit VALUES(16,1767226200000000000,'system','','binding.set','bind-3','R-3','','allowed','{"offset":16}',X'04760D2D9C041FD924A6412711EEE90D9EBF4B7AD40F22FFD88E865494BA720C');
INSERT INTO audit VALUES(17,1767226200000000000,'system','','bed.set','bed-4',NULL,'','allowed','{"offset":17}',X'6F9BC81F523798AADAB45637120B65291E731F5253D1F7DD0F8E14C0C8B4E58F');
INSERT INTO audit VALUES(18,1767226200000000000,'system','','resident.admitted','R-4','R-4','','allowed','{"offset":18}',X'553D5A5E8B5FE1E0CBACF0A954E64BD03F458124DD1810246324C637560FB7F8');
INSERT INTO audit VALUES(19,1767226200000000000,'system','','device.set','button-4',NULL,'','allowed','{"offset":19}',X'D43CB1AF3D957CC11DE835821847E931190682BB12613AAEF303BF59A0B0597F');
INSERT INTO audit VALUES(20,1767226200000000000,'system','','binding.set','bind-4','R-4','','allowed','{"offset":20}',X'4E8B8B43AC6F37E6E38FB2D09A348DDDDAFC3006851E8FD079303B1A36E284FF');
INSERT INTO audit VALUES(21,1767226200000000000,'system','','bed.set','bed-5',NULL,'','allowed','{"offset":21}',X'364CF1340AAABB490CB38B8285E3BE452134C0065F1556AA3A7376F6BD0CE29B');
INSERT INTO audit VALUES(22,1767226200000000000,'system','','resident.admitted','R-5','R-5','','allowed','{"offset":22}',X'BF04409F28A56C72AE4AAB12076205582A5539E31ABF21325AC27A9C42E58C34');
INSERT INTO audit VALUES(23,1767226200000000000,'system','','device.set','button-5',NULL,'','allowed','{"offset":23}',X'94C6EF3F0F6D14992FC4E92B25BE6CBF41DB8D3F6ACD96A262EBB8E8F6DEFBD1');
INSERT INTO audit VALUES(24,1767226200000000000,'system','','binding.set','bind-5','R-5','','allowed','{"offset":24}',X'B238EDE2D2A731E4823FE6C71664717318B4A8C948E0D431D3128C407690907A');
INSERT INTO audit VALUES(25,1767226200000000000,'system','','bed.set','bed-6',NULL,'','allowed','{"offset":25}',X'66DA9AAB17B90E7A23944FCC05A81F4425FAA78B259BA9C305EF4EB7983C70F0');
INSERT INTO audit VALUES(26,1767226200000000000,'system','','resident.admitted','R-6','R-6','','allowed','{"offset":26}',X'B8ED4DBEBAFCE3E59C6BB8D38159F6AAB95FC85EF0F49A01F783012A82491EC4');
INSERT INTO audit VALUES(27,1767226200000000000,'system','','device.set','button-6',NULL,'','allowed','{"offset":27}',X'A12A57F76B1EB8E8FF3D84D11C3C64535D3C1DB828F747C2B2D52D8855F90B8D');
INSERT INTO audit VALUES(28,1767226200000000000,'system','','binding.set','bind-6','R-6','','allowed','{"offset":28}',X'AC0CFA99DA00497F322005BEB4135E8E2B747DBAA1DBF02D0A954783FD291BB1');
INSERT INTO audit VALUES(29,1767226200000000000,'system','','device.set','band-1',NULL,'','allowed','{"offset":29}',X'F487A35FCF146247DEDE1AA1B094683E61FD06AA73CC14D09434AD446426572D');
INSERT INTO audit VALUES(30,1767226200000000000,'system','','binding.set','bind-band-1','R-1','','allowed','{"offset":30}',X'AE79603180501EAEEB10F860C16A4E6711BCF379669AFF532506FDF0BDA2626B');
INSERT INTO audit VALUES(31,1767226200000000000,'system','','device.set','band-2',NULL,'','allowed','{"offset":31}',X'C6588BD2E0167852C102286E24EB734A9898B30E5C43E2EE7A31EC7E979B82AB');
INSERT INTO audit VALUES(32,1767226200000000000,'system','','binding.set','bind-band-2','R-2','','allowed','{"offset":32}',X'0515DBB12BDB4B47963DD538F60013158DB58FEACB8E557BC6E389CDCFEB7946');
INSERT INTO audit VALUES(33,1767226200000000000,'system','','user.set','u-mei',NULL,'','allowed','{"offset":33}',X'892B943139C4008C103CAE81FF614A5CB1CC312125456BB8C59DBF7A90D00764');
INSERT INTO audit VALUES(34,1767226200000000000,'system','','user.set','u-doc',NULL,'','allowed','{"offset":34}',X'63B366DC4B6D4E6D2C1D2308E64532035AAB1384EE96D68E9DF2E520B0C1997C');
INSERT INTO audit VALUES(35,1767226200000000000,'system','','user.set','u-ops',NULL,'','allowed','{"offset":35}',X'441138CABCD9E71BE5E4AFA4834E7B63C918DD3DC0D6D46E87172D4C0B746973');
INSERT INTO audit VALUES(36,1767226200000000000,'system','','user.set','u-root',NULL,'','allowed','{"offset":36}',X'2C2F4266DEC0BB4505D2270162D7622A71BDD94291441742F2BCA10D1FBC5C59');
INSERT INTO audit VALUES(37,1767226200000000000,'system','','user.set','u-son',NULL,'','allowed','{"offset":37}',X'B3E04BBC74FCF6D25B3F4E6FDCC0C55694644E8E97E6A6A30C347DD50D6F2C5A');
INSERT INTO audit VALUES(38,1767226200000000000,'system','','device.token_issued','button-1',NULL,'','allowed','{"offset":38}',X'F03AAFB30B6B79FA9FB8CD9BA7FAABAE0296D730E2A5833D4B0785F05CC8C5ED');
INSERT INTO audit VALUES(39,1767226200000000000,'system','','device.token_issued','button-2',NULL,'','allowed','{"offset":39}',X'333DFC1AEAD7C78979C171E504176C429BF6636D78D11CAAB5203756E0ACDA54');
INSERT INTO audit VALUES(40,1767226200000000000,'system','','device.token_issued','band-1',NULL,'','allowed','{"offset":40}',X'3A47E226B0B6CCB9C7550C2EAF38D89CA8BD81697A516C1C760296D3053048A7');
INSERT INTO audit VALUES(41,1767226200000000000,'system','','limit.set','019b76e3-cfc0-7000-9be4-e5247c35d16e','R-6','','allowed','{"offset":41}',X'92E958392D221A4114C1A90D7AA7443B87AE6843560641D9414408E871CA65AE');
INSERT INTO audit VALUES(42,1767226200000000000,'system','','consent.set','019b76e3-cfc0-7000-a122-73add2715573','R-1','','allowed','{"offset":42}',X'A03FA01F8B88897D3E82EAFBBBE3F362A1FA46775C920E51FBBF11E79DAE0004');
INSERT INTO audit VALUES(43,1767226207000000000,'system','','device.set','stranger',NULL,'','allowed','{"offset":43}',X'891214504101AB5FB0E146694BD7C694541D281961287FA31AB01CCC37175815');
INSERT INTO audit VALUES(44,1767226208000000000,'u-mei','caregiver','alert.claim','019b76e3-eb18-7000-8c42-c180e85e7f36',NULL,'care','allowed','{}',X'FF94BBEB94E56E822DDFDCBEE497322AA6D6A4ACF3D5682B0D1267EF42F7C09E');
INSERT INTO audit VALUES(45,1767226209000000000,'u-mei','caregiver','alert.claim','019b76e3-eb18-7000-8159-c6e8e28ed7aa',NULL,'care','allowed','{}',X'FCD4C30F2153DB27239039F2B58C11121E6EE1379599A1F138F2EF6EC9B7C39D');
INSERT INTO audit VALUES(46,1767226210000000000,'u-mei','caregiver','alert.arrive','019b76e3-eb18-7000-8159-c6e8e28ed7aa',NULL,'care','allowed','{}',X'790960CCA4686B2010E86D2890555B7E9DA49859304B1058EB3C5542221668F4');
INSERT INTO audit VALUES(47,1767226211000000000,'u-mei','caregiver','alert.claim','019b76e3-eb18-7000-8413-c9630e5f05bb',NULL,'care','allowed','{}',X'4C877DB05B5D582F5AD22CE663A816CD92E42EAAC47BCC5B7E5CEB14099139A9');
INSERT INTO audit VALUES(48,1767226212000000000,'u-mei','caregiver','alert.arrive','019b76e3-eb18-7000-8413-c9630e5f05bb',NULL,'care','allowed','{}',X'5368A07D5E728D3280C442148C4666F62DA56FE0EBD08048EE253F88FAA0205A');
INSERT INTO audit VALUES(49,1767226213000000000,'u-mei','caregiver','alert.resolve','019b76e3-eb18-7000-8413-c9630e5f05bb',NULL,'care','allowed','{}',X'FBCFC25C498FF09805DE46553EFFAA7856F81B72A8F5575B996F844668FACC49');
INSERT INTO audit VALUES(50,1767226214000000000,'u-mei','caregiver','alert.claim','019b76e3-eb18-7000-8218-f358de9903c8',NULL,'care','allowed','{}',X'D9CA67F7731EDE79D5524855027F453B25AEFBA4AFDD030DF8F81A582AC75584');
INSERT INTO audit VALUES(51,1767226215000000000,'u-mei','caregiver','alert.release','019b76e3-eb18-7000-8218-f358de9903c8',NULL,'care','allowed','{}',X'131FFA0139CBAD606557A6B1FC559D9AAC19E39C82B87CC8F6322D40F8932013');
INSERT INTO audit VALUES(52,1767226217000000000,'u-mei','caregiver','alert.silence','019b76e4-0a58-7000-9616-aa5f0587ab19',NULL,'care','allowed','{}',X'5D4A1EC1A5BE92510CEF4D980222C754A8E9152C8BF6EC44C45BC14787CBDBD6');
INSERT INTO audit VALUES(53,1767226217000000000,'system','','limit.ended','019b76e3-cfc0-7000-9be4-e5247c35d16e',NULL,'','allowed','{"offset":62}',X'907F10DC8A279769D9D40617B1DFD2A3D05946574B69D14ADD203E46C0B80290');
INSERT INTO audit VALUES(54,1767226217000000000,'system','','limit.set','019b76e4-1228-7000-925e-01297955dbf6','R-1','','allowed','{"offset":63}',X'89A9B2E97CD402719B634A146907128765147D4A9365B2F0E38FD76E4ECA9B69');
INSERT INTO audit VALUES(55,1767226217000000000,'system','','resident.merged','R-6','R-6','','allowed','{"offset":64}',X'48A9CAE87D9FE9D02FAFA15705396AE0813E266F9BD5282139CCBFCA8939C50E');
INSERT INTO audit VALUES(56,1767226217000000000,'system','','binding.ended','bind-4','R-4','','allowed','{"offset":65}',X'57B7A08D521A5E9ECCFBC62AE3A28423E2737E6F9BB84D7A115DB4A5161AEBD0');
INSERT INTO audit VALUES(57,1767226217000000000,'system','','resident.discharged','R-4','R-4','','allowed','{"offset":66}',X'BAF10919E5E7EF492AF088632F314F807B24496A8FC4E6F2C62B08CCDEC65192');
INSERT INTO audit VALUES(58,1767226217000000000,'u-mei','caregiver','user.signed_in','u-mei',NULL,'','allowed','{}',X'65CA975F4D6DDE8453074D42F02C40FED7D39149EE527D9F77331BDA9141EAF7');
INSERT INTO audit VALUES(59,1767226217000000000,'u-doc','clinician','user.signed_in','u-doc',NULL,'','allowed','{}',X'7F2ED01F34922FA3B5E4D2A40F412040CE567428FFB41D89576D16B8D687446E');
CREATE INDEX audit_actor ON audit (actor, n);
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE INDEX audit_resident ON audit (resident, n);

DROP TABLE IF EXISTS ble_link;
CREATE TABLE ble_link(
            device TEXT PRIMARY KEY, state TEXT NOT NULL, since_ns INTEGER NOT NULL, heard_ns INTEGER NOT NULL, cause TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

DROP TABLE IF EXISTS ble_memory;
CREATE TABLE ble_memory(
            device TEXT NOT NULL, service TEXT NOT NULL, last_sequence INTEGER NOT NULL, t_ns INTEGER NOT NULL, PRIMARY KEY(device, service)
        ) STRICT, WITHOUT ROWID;

DROP TABLE IF EXISTS deadletter;
CREATE TABLE deadletter(
            id INTEGER PRIMARY KEY AUTOINCREMENT, t_ns INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
            channel TEXT NOT NULL, topic TEXT NOT NULL, device TEXT, boot_id TEXT, seq INTEGER, retained INTEGER NOT NULL,
            origin INTEGER NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL, retried_ns INTEGER
        ) STRICT;
INSERT INTO deadletter VALUES(1,1767226202000000000,'unit: unknown for hr','unit: unknown for hr','mqtt','anxin/up/band-2','band-2','boot-1',0,0,0,120,X'7B2276223A20312C2022646576696365223A202262616E642D32222C2022626F6F745F6964223A2022626F6F742D31222C2022736571223A20302C202274223A206E756C6C2C20227175616E74697479223A20226872222C202276616C7565223A2036302C2022756E6974223A20226675726C6F6E67227D',NULL);
CREATE INDEX deadletter_reason ON deadletter(reason, id, size);

DROP TABLE IF EXISTS deadletter_count;
CREATE TABLE deadletter_count(reason TEXT PRIMARY KEY, count INTEGER NOT NULL, last_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO deadletter_count VALUES('unit: unknown for hr',1,1767226202000000000);

DROP TABLE IF EXISTS device_token;
CREATE TABLE device_token (
            device_id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, bcrypt TEXT NOT NULL, issued_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO device_token VALUES('band-1',X'C94F2379824265082C96FD0E3DE4E03E901656C1EFE22AD3021B5280B0424D3C','$2b$05$OMILhFE8uMhJYHSWZNrC/eYWU2dk0FChiAjTE/NDV70FkXzr8s2p.',1767226200000000000);
INSERT INTO device_token VALUES('button-1',X'0D720B974366A092C9ECD3490C081A294A341928E5CEBA0BA4D08AEF9FCA742B','$2b$05$j82kyqNHb/Dp.YCkpgyB7.lKL9ekfJL7N2gM.8bOsCq9Yi3h05hBi',1767226200000000000);
INSERT INTO device_token VALUES('button-2',X'215F36265183044FADC0071F7A2E44F11FFC6CF016EA3E3A23E567BB02CC8CBB','$2b$05$0RUq3MS.AiAj96.MYj6pu.uaa2zM0nfOwFog0iNhNURtUsB5z6TIC',1767226200000000000);

DROP TABLE IF EXISTS event;
CREATE TABLE event(
            "offset" INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
            actor TEXT NOT NULL, body TEXT NOT NULL
        ) STRICT;
INSERT INTO event VALUES(1,1767226200000000000,'site.set','site','system','{"id":"site","name":"安和","tz":"Asia/Shanghai","kind":"institution","code":"","organisation_id":null}');
INSERT INTO event VALUES(2,1767226200000000000,'zone.set','zone','system','{"id":"zone","site_id":"site","name":"三区","code":""}');
INSERT INTO event VALUES(3,1767226200000000000,'staff.set','P-mei','system','{"id":"P-mei","name":"Mei","initials":"MEI","role":"caregiver","user_id":null,"channels":{"hook":"mei"},"status":"active","code":""}');
INSERT INTO event VALUES(4,1767226200000000000,'rota.set','rota-1','system','{"id":"rota-1","site_id":"site","staff_id":"P-mei","role":"caregiver","weekdays":[0,1,2,3,4,5,6],"start":"00:00","end":"00:00","zone_id":null,"valid_from":null,"valid_to":null}');
INSERT INTO event VALUES(5,1767226200000000000,'bed.set','bed-1','system','{"id":"bed-1","site_id":"site","label":"3-01","zone_id":"zone","room_id":null,"code":""}');
INSERT INTO event VALUES(6,1767226200000000000,'resident.admitted','R-1','system','{"id":"R-1","name":"王淑华","initials":"王*","status":"admitted","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-1","label":"3-01"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":null,"code":"C1","birth_date":null,"sex":null,"at_ns":1767226200000000000}');
INSERT INTO event VALUES(7,1767226200000000000,'device.set','button-1','system','{"id":"button-1","model":"","kind":"pendant","site_id":null,"origin":0,"status":"active","quantities":[],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(8,1767226200000000000,'binding.set','bind-1','system','{"id":"bind-1","device_id":"button-1","resident_id":"R-1","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(9,1767226200000000000,'bed.set','bed-2','system','{"id":"bed-2","site_id":"site","label":"3-02","zone_id":"zone","room_id":null,"code":""}');
INSERT INTO event VALUES(10,1767226200000000000,'resident.admitted','R-2','system','{"id":"R-2","name":"刘秀英","initials":"刘*","status":"admitted","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-2","label":"3-02"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":null,"code":"C2","birth_date":null,"sex":null,"at_ns":1767226200000000000}');
INSERT INTO event VALUES(11,1767226200000000000,'device.set','button-2','system','{"id":"button-2","model":"","kind":"pendant","site_id":null,"origin":0,"status":"active","quantities":[],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(12,1767226200000000000,'binding.set','bind-2','system','{"id":"bind-2","device_id":"button-2","resident_id":"R-2","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(13,1767226200000000000,'bed.set','bed-3','system','{"id":"bed-3","site_id":"site","label":"3-03","zone_id":"zone","room_id":null,"code":""}');
INSERT INTO event VALUES(14,1767226200000000000,'resident.admitted','R-3','system','{"id":"R-3","name":"周文斌","initials":"周*","status":"admitted","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-3","label":"3-03"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":null,"code":"C3","birth_date":null,"sex":null,"at_ns":1767226200000000000}');
INSERT INTO event VALUES(15,1767226200000000000,'device.set','button-3','system','{"id":"button-3","model":"","kind":"pendant","site_id":null,"origin":0,"status":"active","quantities":[],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(16,1767226200000000000,'binding.set','bind-3','system','{"id":"bind-3","device_id":"button-3","resident_id":"R-3","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(17,1767226200000000000,'bed.set','bed-4','system','{"id":"bed-4","site_id":"site","label":"3-04","zone_id":"zone","room_id":null,"code":""}');
INSERT INTO event VALUES(18,1767226200000000000,'resident.admitted','R-4','system','{"id":"R-4","name":"李桂兰","initials":"李*","status":"admitted","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-4","label":"3-04"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":null,"code":"C4","birth_date":null,"sex":null,"at_ns":1767226200000000000}');
INSERT INTO event VALUES(19,1767226200000000000,'device.set','button-4','system','{"id":"button-4","model":"","kind":"pendant","site_id":null,"origin":0,"status":"active","quantities":[],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(20,1767226200000000000,'binding.set','bind-4','system','{"id":"bind-4","device_id":"button-4","resident_id":"R-4","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(21,1767226200000000000,'bed.set','bed-5','system','{"id":"bed-5","site_id":"site","label":"3-05","zone_id":"zone","room_id":null,"code":""}');
INSERT INTO event VALUES(22,1767226200000000000,'resident.admitted','R-5','system','{"id":"R-5","name":"陈建国","initials":"陈*","status":"admitted","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-5","label":"3-05"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":null,"code":"C5","birth_date":null,"sex":null,"at_ns":1767226200000000000}');
INSERT INTO event VALUES(23,1767226200000000000,'device.set','button-5','system','{"id":"button-5","model":"","kind":"pendant","site_id":null,"origin":0,"status":"active","quantities":[],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(24,1767226200000000000,'binding.set','bind-5','system','{"id":"bind-5","device_id":"button-5","resident_id":"R-5","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(25,1767226200000000000,'bed.set','bed-6','system','{"id":"bed-6","site_id":"site","label":"3-06","zone_id":"zone","room_id":null,"code":""}');
INSERT INTO event VALUES(26,1767226200000000000,'resident.admitted','R-6','system','{"id":"R-6","name":"王淑华（重复）","initials":"王*","status":"admitted","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-6","label":"3-06"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":null,"code":"C6","birth_date":null,"sex":null,"at_ns":1767226200000000000}');
INSERT INTO event VALUES(27,1767226200000000000,'device.set','button-6','system','{"id":"button-6","model":"","kind":"pendant","site_id":null,"origin":0,"status":"active","quantities":[],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(28,1767226200000000000,'binding.set','bind-6','system','{"id":"bind-6","device_id":"button-6","resident_id":"R-6","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(29,1767226200000000000,'device.set','band-1','system','{"id":"band-1","model":"","kind":"wearable","site_id":null,"origin":0,"status":"active","quantities":["hr"],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(30,1767226200000000000,'binding.set','bind-band-1','system','{"id":"bind-band-1","device_id":"band-1","resident_id":"R-1","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(31,1767226200000000000,'device.set','band-2','system','{"id":"band-2","model":"","kind":"wearable","site_id":null,"origin":0,"status":"active","quantities":["hr"],"cadence_s":{},"facts":{},"first_seen_ns":null}');
INSERT INTO event VALUES(32,1767226200000000000,'binding.set','bind-band-2','system','{"id":"bind-band-2","device_id":"band-2","resident_id":"R-2","place":null,"valid_from_ns":1767226200000000000,"valid_to_ns":null,"reason":""}');
INSERT INTO event VALUES(33,1767226200000000000,'user.set','u-mei','system','{"id":"u-mei","login":"mei","name":"Mei","role":"caregiver","site_ids":["site"],"resident_ids":[],"staff_id":null,"lang":"zh","status":"active"}');
INSERT INTO event VALUES(34,1767226200000000000,'user.set','u-doc','system','{"id":"u-doc","login":"doc","name":"Doc","role":"clinician","site_ids":["site"],"resident_ids":[],"staff_id":null,"lang":"zh","status":"active"}');
INSERT INTO event VALUES(35,1767226200000000000,'user.set','u-ops','system','{"id":"u-ops","login":"ops","name":"Ops","role":"operator","site_ids":["site"],"resident_ids":[],"staff_id":null,"lang":"zh","status":"active"}');
INSERT INTO event VALUES(36,1767226200000000000,'user.set','u-root','system','{"id":"u-root","login":"root","name":"Root","role":"admin","site_ids":["site"],"resident_ids":[],"staff_id":null,"lang":"zh","status":"active"}');
INSERT INTO event VALUES(37,1767226200000000000,'user.set','u-son','system','{"id":"u-son","login":"son","name":"Son","role":"family","site_ids":[],"resident_ids":["R-1"],"staff_id":null,"lang":"zh","status":"active"}');
INSERT INTO event VALUES(38,1767226200000000000,'device.token_issued','button-1','system','{"id":"button-1"}');
INSERT INTO event VALUES(39,1767226200000000000,'device.token_issued','button-2','system','{"id":"button-2"}');
INSERT INTO event VALUES(40,1767226200000000000,'device.token_issued','band-1','system','{"id":"band-1"}');
INSERT INTO event VALUES(41,1767226200000000000,'limit.set','019b76e3-cfc0-7000-9be4-e5247c35d16e','system','{"id":"019b76e3-cfc0-7000-9be4-e5247c35d16e","quantity":"hr","resident_id":"R-6","site_id":null,"low":null,"high":110.0,"low_extreme":null,"high_extreme":null,"duration_s":15.0,"hysteresis":0.0,"author":"system","reason":"AF","expires_ns":null,"version":1}');
INSERT INTO event VALUES(42,1767226200000000000,'consent.set','019b76e3-cfc0-7000-a122-73add2715573','system','{"id":"019b76e3-cfc0-7000-a122-73add2715573","resident_id":"R-1","grantee_id":"u-son","classes":["vitals"],"from_ns":1767226200000000000,"until_ns":1793146200000000000,"purpose":"family","giver":"王淑华","text_version":"","text_sha256":"","legal_basis":"separate_consent","guardian":false,"reason":"","recorded_by":"system","recorded_ns":1767226200000000000,"withdrawn_ns":null,"withdrawn_by":""}');
INSERT INTO event VALUES(43,1767226207000000000,'device.set','stranger','system','{"id":"stranger","model":"","kind":"","site_id":null,"origin":0,"status":"inbox","quantities":["hr"],"cadence_s":{},"facts":{},"first_seen_ns":1767226202000000000}');
INSERT INTO event VALUES(44,1767226207000000000,'alert.raised','019b76e3-eb18-7000-bfab-e3eaff41bf82','system','{"view":{"id":"019b76e3-eb18-7000-bfab-e3eaff41bf82","version":1,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-1","device_id":"button-1","site_id":"site","zone_id":"zone","place":"3-01","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226237000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"new","policy":["call",1]}');
INSERT INTO event VALUES(45,1767226207000000000,'alert.raised','019b76e3-eb18-7000-8c42-c180e85e7f36','system','{"view":{"id":"019b76e3-eb18-7000-8c42-c180e85e7f36","version":1,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-2","device_id":"button-2","site_id":"site","zone_id":"zone","place":"3-02","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226237000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"new","policy":["call",1]}');
INSERT INTO event VALUES(46,1767226207000000000,'alert.raised','019b76e3-eb18-7000-8159-c6e8e28ed7aa','system','{"view":{"id":"019b76e3-eb18-7000-8159-c6e8e28ed7aa","version":1,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-3","device_id":"button-3","site_id":"site","zone_id":"zone","place":"3-03","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226237000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"new","policy":["call",1]}');
INSERT INTO event VALUES(47,1767226207000000000,'alert.raised','019b76e3-eb18-7000-8413-c9630e5f05bb','system','{"view":{"id":"019b76e3-eb18-7000-8413-c9630e5f05bb","version":1,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-4","device_id":"button-4","site_id":"site","zone_id":"zone","place":"3-04","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226237000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"new","policy":["call",1]}');
INSERT INTO event VALUES(48,1767226207000000000,'alert.raised','019b76e3-eb18-7000-8218-f358de9903c8','system','{"view":{"id":"019b76e3-eb18-7000-8218-f358de9903c8","version":1,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-5","device_id":"button-5","site_id":"site","zone_id":"zone","place":"3-05","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226237000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"new","policy":["call",1]}');
INSERT INTO event VALUES(49,1767226208000000000,'alert.claimed','019b76e3-eb18-7000-8c42-c180e85e7f36','u-mei','{"view":{"id":"019b76e3-eb18-7000-8c42-c180e85e7f36","version":2,"state":"claimed","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-2","device_id":"button-2","site_id":"site","zone_id":"zone","place":"3-02","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226268000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226208000000000,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1]}');
INSERT INTO event VALUES(50,1767226209000000000,'alert.claimed','019b76e3-eb18-7000-8159-c6e8e28ed7aa','u-mei','{"view":{"id":"019b76e3-eb18-7000-8159-c6e8e28ed7aa","version":2,"state":"claimed","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-3","device_id":"button-3","site_id":"site","zone_id":"zone","place":"3-03","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226269000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226209000000000,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1]}');
INSERT INTO event VALUES(51,1767226210000000000,'alert.arrived','019b76e3-eb18-7000-8159-c6e8e28ed7aa','u-mei','{"view":{"id":"019b76e3-eb18-7000-8159-c6e8e28ed7aa","version":3,"state":"arrived","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-3","device_id":"button-3","site_id":"site","zone_id":"zone","place":"3-03","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226330000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226209000000000,"arrived_ns":1767226210000000000,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1]}');
INSERT INTO event VALUES(52,1767226211000000000,'alert.claimed','019b76e3-eb18-7000-8413-c9630e5f05bb','u-mei','{"view":{"id":"019b76e3-eb18-7000-8413-c9630e5f05bb","version":2,"state":"claimed","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-4","device_id":"button-4","site_id":"site","zone_id":"zone","place":"3-04","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226271000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226211000000000,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1]}');
INSERT INTO event VALUES(53,1767226212000000000,'alert.arrived','019b76e3-eb18-7000-8413-c9630e5f05bb','u-mei','{"view":{"id":"019b76e3-eb18-7000-8413-c9630e5f05bb","version":3,"state":"arrived","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-4","device_id":"button-4","site_id":"site","zone_id":"zone","place":"3-04","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226332000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226211000000000,"arrived_ns":1767226212000000000,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1]}');
INSERT INTO event VALUES(54,1767226213000000000,'alert.resolved','019b76e3-eb18-7000-8413-c9630e5f05bb','u-mei','{"view":{"id":"019b76e3-eb18-7000-8413-c9630e5f05bb","version":4,"state":"resolved","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-4","device_id":"button-4","site_id":"site","zone_id":"zone","place":"3-04","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":null,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226211000000000,"arrived_ns":1767226212000000000,"resolved_ns":1767226213000000000,"outcome":"helped","note":"扶起","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1],"note":"扶起","outcome":"helped"}');
INSERT INTO event VALUES(55,1767226214000000000,'alert.claimed','019b76e3-eb18-7000-8218-f358de9903c8','u-mei','{"view":{"id":"019b76e3-eb18-7000-8218-f358de9903c8","version":2,"state":"claimed","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-5","device_id":"button-5","site_id":"site","zone_id":"zone","place":"3-05","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226274000000000,"claimed_by":"u-mei","claimed_name":"Mei","claimed_ns":1767226214000000000,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1]}');
INSERT INTO event VALUES(56,1767226215000000000,'alert.released','019b76e3-eb18-7000-8218-f358de9903c8','u-mei','{"view":{"id":"019b76e3-eb18-7000-8218-f358de9903c8","version":3,"state":"raised","priority":3,"kind":"call","rule":"call.sos","cause":"call.sos","code":"finding.call.sos","params":{},"resident_id":"R-5","device_id":"button-5","site_id":"site","zone_id":"zone","place":"3-05","raised_ns":1767226207000000000,"last_ns":1767226207000000000,"count":1,"latched":true,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226245000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["call",1],"owner":"u-mei"}');
INSERT INTO event VALUES(57,1767226215000000000,'alert.raised','019b76e4-0a58-7000-9616-aa5f0587ab19','system','{"view":{"id":"019b76e4-0a58-7000-9616-aa5f0587ab19","version":1,"state":"raised","priority":2,"kind":"physiological","rule":"limit.spo2.low","cause":"spo2.low","code":"finding.limit.low","params":{"value":85.0,"limit":90.0},"resident_id":"R-5","device_id":"band-2","site_id":"site","zone_id":"zone","place":"3-05","raised_ns":1767226215000000000,"last_ns":1767226215000000000,"count":1,"latched":false,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226515000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"new","policy":["medium",1]}');
INSERT INTO event VALUES(58,1767226215000000000,'alert.raised','019b76e4-0a58-7000-9909-dceabddf6f88','system','{"view":{"id":"019b76e4-0a58-7000-9909-dceabddf6f88","version":1,"state":"raised","priority":2,"kind":"physiological","rule":"limit.spo2.low","cause":"spo2.low","code":"finding.limit.low","params":{"value":85.0,"limit":90.0},"resident_id":"R-6","device_id":"band-2","site_id":"site","zone_id":"zone","place":"3-06","raised_ns":1767226215000000000,"last_ns":1767226215000000000,"count":1,"latched":false,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226515000000000,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"new","policy":["medium",1]}');
INSERT INTO event VALUES(59,1767226216000000000,'alert.condition_over','019b76e4-0a58-7000-9909-dceabddf6f88','system','{"view":{"id":"019b76e4-0a58-7000-9909-dceabddf6f88","version":2,"state":"cleared","priority":2,"kind":"physiological","rule":"limit.spo2.low","cause":"spo2.low","code":"finding.limit.low","params":{"value":85.0,"limit":90.0},"resident_id":"R-6","device_id":"band-2","site_id":"site","zone_id":"zone","place":"3-06","raised_ns":1767226215000000000,"last_ns":1767226215000000000,"count":1,"latched":false,"condition_over":true,"late_s":0.0,"origin":0,"step":0,"next_step_ns":null,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"condition_over","policy":["medium",1]}');
INSERT INTO event VALUES(60,1767226216000000000,'alert.cleared','019b76e4-0a58-7000-9909-dceabddf6f88','system','{"view":{"id":"019b76e4-0a58-7000-9909-dceabddf6f88","version":2,"state":"cleared","priority":2,"kind":"physiological","rule":"limit.spo2.low","cause":"spo2.low","code":"finding.limit.low","params":{"value":85.0,"limit":90.0},"resident_id":"R-6","device_id":"band-2","site_id":"site","zone_id":"zone","place":"3-06","raised_ns":1767226215000000000,"last_ns":1767226215000000000,"count":1,"latched":false,"condition_over":true,"late_s":0.0,"origin":0,"step":0,"next_step_ns":null,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":null,"supported_by":[],"folded_into":null},"who":{"id":"system","name":"system"},"why":"condition_over","policy":["medium",1]}');
INSERT INTO event VALUES(61,1767226217000000000,'alert.silenced','019b76e4-0a58-7000-9616-aa5f0587ab19','u-mei','{"view":{"id":"019b76e4-0a58-7000-9616-aa5f0587ab19","version":2,"state":"raised","priority":2,"kind":"physiological","rule":"limit.spo2.low","cause":"spo2.low","code":"finding.limit.low","params":{"value":85.0,"limit":90.0},"resident_id":"R-5","device_id":"band-2","site_id":"site","zone_id":"zone","place":"3-05","raised_ns":1767226215000000000,"last_ns":1767226215000000000,"count":1,"latched":false,"condition_over":false,"late_s":0.0,"origin":0,"step":0,"next_step_ns":1767226516996123480,"claimed_by":null,"claimed_name":null,"claimed_ns":null,"arrived_ns":null,"resolved_ns":null,"outcome":null,"note":"","silenced_until_ns":1767226277000000000,"supported_by":[],"folded_into":null},"who":{"id":"u-mei","name":"Mei"},"why":"person","policy":["medium",1],"reason":"在床旁","span_s":60.0}');
INSERT INTO event VALUES(62,1767226217000000000,'limit.ended','019b76e3-cfc0-7000-9be4-e5247c35d16e','system','{"id":"019b76e3-cfc0-7000-9be4-e5247c35d16e"}');
INSERT INTO event VALUES(63,1767226217000000000,'limit.set','019b76e4-1228-7000-925e-01297955dbf6','system','{"id":"019b76e4-1228-7000-925e-01297955dbf6","quantity":"hr","resident_id":"R-1","site_id":null,"low":null,"high":110.0,"low_extreme":null,"high_extreme":null,"duration_s":15.0,"hysteresis":0.0,"author":"system","reason":"AF","expires_ns":null,"version":1,"origin_id":"019b76e3-cfc0-7000-9be4-e5247c35d16e"}');
INSERT INTO event VALUES(64,1767226217000000000,'resident.merged','R-6','system','{"id":"R-6","name":"王淑华（重复）","initials":"王*","status":"merged","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-6","label":"3-06"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":"R-1","code":"","birth_date":null,"sex":null,"at_ns":1767226217000000000,"reason":"entered twice"}');
INSERT INTO event VALUES(65,1767226217000000000,'binding.ended','bind-4','system','{"id":"bind-4","device_id":"button-4","resident_id":"R-4","valid_to_ns":1767226217000000000,"reason":""}');
INSERT INTO event VALUES(66,1767226217000000000,'resident.discharged','R-4','system','{"id":"R-4","name":"李桂兰","initials":"李*","status":"discharged","place":{"site_id":"site","zone_id":"zone","room_id":null,"bed_id":"bed-4","label":"3-04"},"spo2_scale":1,"on_oxygen":null,"consciousness":null,"merged_into":null,"code":"C4","birth_date":null,"sex":null,"at_ns":1767226217000000000,"reason":"home"}');
CREATE TRIGGER event_place BEFORE UPDATE OF "offset" ON event BEGIN SELECT RAISE(ABORT, 'events never move'); END;
CREATE TRIGGER event_stays BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE INDEX event_subject ON event(subject, "offset");

DROP TABLE IF EXISTS meta;
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('lineage','2e5e6771-9426-4b77-b3f2-c3c32fbadbc8');

DROP TABLE IF EXISTS meta_component;
CREATE TABLE meta_component(name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta_component VALUES('account',1);
INSERT INTO meta_component VALUES('alerts',1);
INSERT INTO meta_component VALUES('audit',1);
INSERT INTO meta_component VALUES('ble',1);
INSERT INTO meta_component VALUES('deadletter',1);
INSERT INTO meta_component VALUES('device_token',1);
INSERT INTO meta_component VALUES('events',1);
INSERT INTO meta_component VALUES('meta',1);
INSERT INTO meta_component VALUES('outbox',1);
INSERT INTO meta_component VALUES('registry',1);

DROP TABLE IF EXISTS meta_probe;
CREATE TABLE meta_probe(body BLOB NOT NULL) STRICT;

DROP TABLE IF EXISTS outbox;
CREATE TABLE outbox (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            alert_id TEXT NOT NULL,
            recipient TEXT NOT NULL,
            priority INTEGER NOT NULL,
            page TEXT NOT NULL,
            routes TEXT NOT NULL,           -- [[channel, address], ...], first choice first
            route INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            next_mono INTEGER NOT NULL DEFAULT 0,   -- monotonic, of this run; 0 = at once
            state TEXT NOT NULL DEFAULT 'pending',  -- pending | sent | void | refused
            reason TEXT NOT NULL DEFAULT '',
            channel TEXT NOT NULL DEFAULT '',
            created_ns INTEGER NOT NULL,
            done_ns INTEGER
        );
INSERT INTO outbox VALUES(1,'019b76e3-eb18-7000-bfab-e3eaff41bf82.1.P-mei','019b76e3-eb18-7000-bfab-e3eaff41bf82','P-mei',3,'{"key": "019b76e3-eb18-7000-bfab-e3eaff41bf82.1.P-mei", "alert_id": "019b76e3-eb18-7000-bfab-e3eaff41bf82", "priority": 3, "reason": "call.sos", "why": "new", "place": "3-01", "initials": "\u738b*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226207000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'pending','','',1767226207000000000,NULL);
INSERT INTO outbox VALUES(2,'019b76e3-eb18-7000-8c42-c180e85e7f36.1.P-mei','019b76e3-eb18-7000-8c42-c180e85e7f36','P-mei',3,'{"key": "019b76e3-eb18-7000-8c42-c180e85e7f36.1.P-mei", "alert_id": "019b76e3-eb18-7000-8c42-c180e85e7f36", "priority": 3, "reason": "call.sos", "why": "new", "place": "3-02", "initials": "\u5218*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226207000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'void','claimed','',1767226207000000000,1767226208000000000);
INSERT INTO outbox VALUES(3,'019b76e3-eb18-7000-8159-c6e8e28ed7aa.1.P-mei','019b76e3-eb18-7000-8159-c6e8e28ed7aa','P-mei',3,'{"key": "019b76e3-eb18-7000-8159-c6e8e28ed7aa.1.P-mei", "alert_id": "019b76e3-eb18-7000-8159-c6e8e28ed7aa", "priority": 3, "reason": "call.sos", "why": "new", "place": "3-03", "initials": "\u5468*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226207000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'void','claimed','',1767226207000000000,1767226209000000000);
INSERT INTO outbox VALUES(4,'019b76e3-eb18-7000-8413-c9630e5f05bb.1.P-mei','019b76e3-eb18-7000-8413-c9630e5f05bb','P-mei',3,'{"key": "019b76e3-eb18-7000-8413-c9630e5f05bb.1.P-mei", "alert_id": "019b76e3-eb18-7000-8413-c9630e5f05bb", "priority": 3, "reason": "call.sos", "why": "new", "place": "3-04", "initials": "\u674e*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226207000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'void','claimed','',1767226207000000000,1767226211000000000);
INSERT INTO outbox VALUES(5,'019b76e3-eb18-7000-8218-f358de9903c8.1.P-mei','019b76e3-eb18-7000-8218-f358de9903c8','P-mei',3,'{"key": "019b76e3-eb18-7000-8218-f358de9903c8.1.P-mei", "alert_id": "019b76e3-eb18-7000-8218-f358de9903c8", "priority": 3, "reason": "call.sos", "why": "new", "place": "3-05", "initials": "\u9648*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226207000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'void','claimed','',1767226207000000000,1767226214000000000);
INSERT INTO outbox VALUES(6,'019b76e3-eb18-7000-8218-f358de9903c8.3.P-mei','019b76e3-eb18-7000-8218-f358de9903c8','P-mei',3,'{"key": "019b76e3-eb18-7000-8218-f358de9903c8.3.P-mei", "alert_id": "019b76e3-eb18-7000-8218-f358de9903c8", "priority": 3, "reason": "call.sos", "why": "released", "place": "3-05", "initials": "\u9648*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226207000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'pending','','',1767226215000000000,NULL);
INSERT INTO outbox VALUES(7,'019b76e4-0a58-7000-9616-aa5f0587ab19.1.P-mei','019b76e4-0a58-7000-9616-aa5f0587ab19','P-mei',2,'{"key": "019b76e4-0a58-7000-9616-aa5f0587ab19.1.P-mei", "alert_id": "019b76e4-0a58-7000-9616-aa5f0587ab19", "priority": 2, "reason": "resident.check", "why": "new", "place": "3-05", "initials": "\u9648*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226215000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'pending','','',1767226215000000000,NULL);
INSERT INTO outbox VALUES(8,'019b76e4-0a58-7000-9909-dceabddf6f88.1.P-mei','019b76e4-0a58-7000-9909-dceabddf6f88','P-mei',2,'{"key": "019b76e4-0a58-7000-9909-dceabddf6f88.1.P-mei", "alert_id": "019b76e4-0a58-7000-9909-dceabddf6f88", "priority": 2, "reason": "resident.check", "why": "new", "place": "3-06", "initials": "\u738b*", "link": "", "late_s": 0.0, "origin": 0, "step": 0, "raised_ns": 1767226215000000000, "recipient": "P-mei", "address": ""}','[["hook", "mei"]]',0,0,0,'void','cleared','',1767226215000000000,1767226216000000000);
CREATE INDEX outbox_alert ON outbox (alert_id);
CREATE INDEX outbox_done ON outbox (done_ns) WHERE done_ns IS NOT NULL;
CREATE INDEX outbox_pending ON outbox (priority DESC, id) WHERE state = 'pending';

DROP TABLE IF EXISTS registry_row;
CREATE TABLE registry_row (
            "offset" INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, recorded_ns INTEGER NOT NULL, actor TEXT NOT NULL,
            valid_from_ns INTEGER, valid_to_ns INTEGER, body TEXT NOT NULL
        ) STRICT;
INSERT INTO registry_row VALUES(1,'site.set','site',1767226200000000000,'system',NULL,NULL,'{"id": "site", "name": "安和", "tz": "Asia/Shanghai", "kind": "institution", "code": "", "organisation_id": null}');
INSERT INTO registry_row VALUES(2,'zone.set','zone',1767226200000000000,'system',NULL,NULL,'{"id": "zone", "site_id": "site", "name": "三区", "code": ""}');
INSERT INTO registry_row VALUES(3,'staff.set','P-mei',1767226200000000000,'system',NULL,NULL,'{"id": "P-mei", "name": "Mei", "initials": "MEI", "role": "caregiver", "user_id": null, "channels": {"hook": "mei"}, "status": "active", "code": ""}');
INSERT INTO registry_row VALUES(4,'rota.set','rota-1',1767226200000000000,'system',NULL,NULL,'{"id": "rota-1", "site_id": "site", "staff_id": "P-mei", "role": "caregiver", "weekdays": [0, 1, 2, 3, 4, 5, 6], "start": "00:00", "end": "00:00", "zone_id": null, "valid_from": null, "valid_to": null}');
INSERT INTO registry_row VALUES(5,'bed.set','bed-1',1767226200000000000,'system',NULL,NULL,'{"id": "bed-1", "site_id": "site", "label": "3-01", "zone_id": "zone", "room_id": null, "code": ""}');
INSERT INTO registry_row VALUES(6,'resident.admitted','R-1',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "R-1", "name": "王淑华", "initials": "王*", "status": "admitted", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-1", "label": "3-01"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": null, "code": "C1", "birth_date": null, "sex": null, "at_ns": 1767226200000000000}');
INSERT INTO registry_row VALUES(7,'device.set','button-1',1767226200000000000,'system',NULL,NULL,'{"id": "button-1", "model": "", "kind": "pendant", "site_id": null, "origin": 0, "status": "active", "quantities": [], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(8,'binding.set','bind-1',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-1", "device_id": "button-1", "resident_id": "R-1", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(9,'bed.set','bed-2',1767226200000000000,'system',NULL,NULL,'{"id": "bed-2", "site_id": "site", "label": "3-02", "zone_id": "zone", "room_id": null, "code": ""}');
INSERT INTO registry_row VALUES(10,'resident.admitted','R-2',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "R-2", "name": "刘秀英", "initials": "刘*", "status": "admitted", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-2", "label": "3-02"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": null, "code": "C2", "birth_date": null, "sex": null, "at_ns": 1767226200000000000}');
INSERT INTO registry_row VALUES(11,'device.set','button-2',1767226200000000000,'system',NULL,NULL,'{"id": "button-2", "model": "", "kind": "pendant", "site_id": null, "origin": 0, "status": "active", "quantities": [], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(12,'binding.set','bind-2',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-2", "device_id": "button-2", "resident_id": "R-2", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(13,'bed.set','bed-3',1767226200000000000,'system',NULL,NULL,'{"id": "bed-3", "site_id": "site", "label": "3-03", "zone_id": "zone", "room_id": null, "code": ""}');
INSERT INTO registry_row VALUES(14,'resident.admitted','R-3',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "R-3", "name": "周文斌", "initials": "周*", "status": "admitted", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-3", "label": "3-03"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": null, "code": "C3", "birth_date": null, "sex": null, "at_ns": 1767226200000000000}');
INSERT INTO registry_row VALUES(15,'device.set','button-3',1767226200000000000,'system',NULL,NULL,'{"id": "button-3", "model": "", "kind": "pendant", "site_id": null, "origin": 0, "status": "active", "quantities": [], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(16,'binding.set','bind-3',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-3", "device_id": "button-3", "resident_id": "R-3", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(17,'bed.set','bed-4',1767226200000000000,'system',NULL,NULL,'{"id": "bed-4", "site_id": "site", "label": "3-04", "zone_id": "zone", "room_id": null, "code": ""}');
INSERT INTO registry_row VALUES(18,'resident.admitted','R-4',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "R-4", "name": "李桂兰", "initials": "李*", "status": "admitted", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-4", "label": "3-04"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": null, "code": "C4", "birth_date": null, "sex": null, "at_ns": 1767226200000000000}');
INSERT INTO registry_row VALUES(19,'device.set','button-4',1767226200000000000,'system',NULL,NULL,'{"id": "button-4", "model": "", "kind": "pendant", "site_id": null, "origin": 0, "status": "active", "quantities": [], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(20,'binding.set','bind-4',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-4", "device_id": "button-4", "resident_id": "R-4", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(21,'bed.set','bed-5',1767226200000000000,'system',NULL,NULL,'{"id": "bed-5", "site_id": "site", "label": "3-05", "zone_id": "zone", "room_id": null, "code": ""}');
INSERT INTO registry_row VALUES(22,'resident.admitted','R-5',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "R-5", "name": "陈建国", "initials": "陈*", "status": "admitted", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-5", "label": "3-05"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": null, "code": "C5", "birth_date": null, "sex": null, "at_ns": 1767226200000000000}');
INSERT INTO registry_row VALUES(23,'device.set','button-5',1767226200000000000,'system',NULL,NULL,'{"id": "button-5", "model": "", "kind": "pendant", "site_id": null, "origin": 0, "status": "active", "quantities": [], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(24,'binding.set','bind-5',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-5", "device_id": "button-5", "resident_id": "R-5", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(25,'bed.set','bed-6',1767226200000000000,'system',NULL,NULL,'{"id": "bed-6", "site_id": "site", "label": "3-06", "zone_id": "zone", "room_id": null, "code": ""}');
INSERT INTO registry_row VALUES(26,'resident.admitted','R-6',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "R-6", "name": "王淑华（重复）", "initials": "王*", "status": "admitted", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-6", "label": "3-06"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": null, "code": "C6", "birth_date": null, "sex": null, "at_ns": 1767226200000000000}');
INSERT INTO registry_row VALUES(27,'device.set','button-6',1767226200000000000,'system',NULL,NULL,'{"id": "button-6", "model": "", "kind": "pendant", "site_id": null, "origin": 0, "status": "active", "quantities": [], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(28,'binding.set','bind-6',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-6", "device_id": "button-6", "resident_id": "R-6", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(29,'device.set','band-1',1767226200000000000,'system',NULL,NULL,'{"id": "band-1", "model": "", "kind": "wearable", "site_id": null, "origin": 0, "status": "active", "quantities": ["hr"], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(30,'binding.set','bind-band-1',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-band-1", "device_id": "band-1", "resident_id": "R-1", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(31,'device.set','band-2',1767226200000000000,'system',NULL,NULL,'{"id": "band-2", "model": "", "kind": "wearable", "site_id": null, "origin": 0, "status": "active", "quantities": ["hr"], "cadence_s": {}, "facts": {}, "first_seen_ns": null}');
INSERT INTO registry_row VALUES(32,'binding.set','bind-band-2',1767226200000000000,'system',1767226200000000000,NULL,'{"id": "bind-band-2", "device_id": "band-2", "resident_id": "R-2", "place": null, "valid_from_ns": 1767226200000000000, "valid_to_ns": null, "reason": ""}');
INSERT INTO registry_row VALUES(33,'user.set','u-mei',1767226200000000000,'system',NULL,NULL,'{"id": "u-mei", "login": "mei", "name": "Mei", "role": "caregiver", "site_ids": ["site"], "resident_ids": [], "staff_id": null, "lang": "zh", "status": "active"}');
INSERT INTO registry_row VALUES(34,'user.set','u-doc',1767226200000000000,'system',NULL,NULL,'{"id": "u-doc", "login": "doc", "name": "Doc", "role": "clinician", "site_ids": ["site"], "resident_ids": [], "staff_id": null, "lang": "zh", "status": "active"}');
INSERT INTO registry_row VALUES(35,'user.set','u-ops',1767226200000000000,'system',NULL,NULL,'{"id": "u-ops", "login": "ops", "name": "Ops", "role": "operator", "site_ids": ["site"], "resident_ids": [], "staff_id": null, "lang": "zh", "status": "active"}');
INSERT INTO registry_row VALUES(36,'user.set','u-root',1767226200000000000,'system',NULL,NULL,'{"id": "u-root", "login": "root", "name": "Root", "role": "admin", "site_ids": ["site"], "resident_ids": [], "staff_id": null, "lang": "zh", "status": "active"}');
INSERT INTO registry_row VALUES(37,'user.set','u-son',1767226200000000000,'system',NULL,NULL,'{"id": "u-son", "login": "son", "name": "Son", "role": "family", "site_ids": [], "resident_ids": ["R-1"], "staff_id": null, "lang": "zh", "status": "active"}');
INSERT INTO registry_row VALUES(38,'device.token_issued','button-1',1767226200000000000,'system',NULL,NULL,'{"id": "button-1"}');
INSERT INTO registry_row VALUES(39,'device.token_issued','button-2',1767226200000000000,'system',NULL,NULL,'{"id": "button-2"}');
INSERT INTO registry_row VALUES(40,'device.token_issued','band-1',1767226200000000000,'system',NULL,NULL,'{"id": "band-1"}');
INSERT INTO registry_row VALUES(41,'limit.set','019b76e3-cfc0-7000-9be4-e5247c35d16e',1767226200000000000,'system',NULL,NULL,'{"id": "019b76e3-cfc0-7000-9be4-e5247c35d16e", "quantity": "hr", "resident_id": "R-6", "site_id": null, "low": null, "high": 110.0, "low_extreme": null, "high_extreme": null, "duration_s": 15.0, "hysteresis": 0.0, "author": "system", "reason": "AF", "expires_ns": null, "version": 1}');
INSERT INTO registry_row VALUES(42,'consent.set','019b76e3-cfc0-7000-a122-73add2715573',1767226200000000000,'system',NULL,NULL,'{"id": "019b76e3-cfc0-7000-a122-73add2715573", "resident_id": "R-1", "grantee_id": "u-son", "classes": ["vitals"], "from_ns": 1767226200000000000, "until_ns": 1793146200000000000, "purpose": "family", "giver": "王淑华", "text_version": "", "text_sha256": "", "legal_basis": "separate_consent", "guardian": false, "reason": "", "recorded_by": "system", "recorded_ns": 1767226200000000000, "withdrawn_ns": null, "withdrawn_by": ""}');
INSERT INTO registry_row VALUES(43,'device.set','stranger',1767226207000000000,'system',NULL,NULL,'{"id": "stranger", "model": "", "kind": "", "site_id": null, "origin": 0, "status": "inbox", "quantities": ["hr"], "cadence_s": {}, "facts": {}, "first_seen_ns": 1767226202000000000}');
INSERT INTO registry_row VALUES(62,'limit.ended','019b76e3-cfc0-7000-9be4-e5247c35d16e',1767226217000000000,'system',NULL,NULL,'{"id": "019b76e3-cfc0-7000-9be4-e5247c35d16e"}');
INSERT INTO registry_row VALUES(63,'limit.set','019b76e4-1228-7000-925e-01297955dbf6',1767226217000000000,'system',NULL,NULL,'{"id": "019b76e4-1228-7000-925e-01297955dbf6", "quantity": "hr", "resident_id": "R-1", "site_id": null, "low": null, "high": 110.0, "low_extreme": null, "high_extreme": null, "duration_s": 15.0, "hysteresis": 0.0, "author": "system", "reason": "AF", "expires_ns": null, "version": 1, "origin_id": "019b76e3-cfc0-7000-9be4-e5247c35d16e"}');
INSERT INTO registry_row VALUES(64,'resident.merged','R-6',1767226217000000000,'system',1767226217000000000,NULL,'{"id": "R-6", "name": "王淑华（重复）", "initials": "王*", "status": "merged", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-6", "label": "3-06"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": "R-1", "code": "", "birth_date": null, "sex": null, "at_ns": 1767226217000000000, "reason": "entered twice"}');
INSERT INTO registry_row VALUES(65,'binding.ended','bind-4',1767226217000000000,'system',NULL,1767226217000000000,'{"id": "bind-4", "device_id": "button-4", "resident_id": "R-4", "valid_to_ns": 1767226217000000000, "reason": ""}');
INSERT INTO registry_row VALUES(66,'resident.discharged','R-4',1767226217000000000,'system',1767226217000000000,NULL,'{"id": "R-4", "name": "李桂兰", "initials": "李*", "status": "discharged", "place": {"site_id": "site", "zone_id": "zone", "room_id": null, "bed_id": "bed-4", "label": "3-04"}, "spo2_scale": 1, "on_oxygen": null, "consciousness": null, "merged_into": null, "code": "C4", "birth_date": null, "sex": null, "at_ns": 1767226217000000000, "reason": "home"}');
CREATE TRIGGER registry_row_no_update BEFORE UPDATE ON registry_row
            BEGIN SELECT RAISE(ABORT, 'registry history is append-only'); END;
CREATE INDEX registry_row_subject ON registry_row (subject, "offset");

DROP TABLE IF EXISTS session;
CREATE TABLE session (
            id_hash BLOB PRIMARY KEY, user_id TEXT NOT NULL, role TEXT NOT NULL, created_ns INTEGER NOT NULL, used_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO session VALUES(X'3B7997B756E4FCA8C9C2228512BB9240E2E6BE9C96CBA175042400E7405CC137','u-doc','clinician',1767226217000000000,1767226217000000000);
INSERT INTO session VALUES(X'760ED3728053DE3EC085FE56BDA285485CCF8726AE073CEDC925397DDA95844C','u-mei','caregiver',1767226217000000000,1767226217000000000);
CREATE INDEX session_user ON session (user_id, used_ns);

DROP TABLE IF EXISTS sign_in_attempt;
CREATE TABLE sign_in_attempt (
            key BLOB PRIMARY KEY, failures INTEGER NOT NULL, last_ns INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
INSERT INTO sign_in_attempt VALUES(X'2188125CF4C08FC519042D947AD8AB386580CD5235DFDBA35D11280C5FF969A0',0,1767226217000000000);
INSERT INTO sign_in_attempt VALUES(X'D80B4703D67A41CE0FC8D154083D9CAEFA0AA50D2E67DB7C8D3F75EF23E08D75',0,1767226217000000000);
CREATE INDEX sign_in_attempt_last ON sign_in_attempt (last_ns);

DELETE FROM main.sqlite_sequence WHERE name='deadletter';
INSERT INTO main.sqlite_sequence VALUES ('deadletter', 1);

pragma user_version=1;
pragma application_id=1095653454;

COMMIT TRANSACTION;
