BEGIN TRANSACTION;
CREATE TABLE annotations (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	image VARCHAR NOT NULL, 
	reader VARCHAR NOT NULL, 
	revision INTEGER NOT NULL, 
	finding VARCHAR NOT NULL, 
	roi_voxels BIGINT NOT NULL, 
	roi_volume FLOAT NOT NULL, 
	label_path TEXT NOT NULL, 
	label_info TEXT NOT NULL, 
	params TEXT NOT NULL, 
	story TEXT, 
	digest VARCHAR NOT NULL, 
	fingerprint VARCHAR, 
	submission_id VARCHAR, 
	source VARCHAR NOT NULL, 
	centre TEXT, 
	active BOOLEAN NOT NULL, 
	created_at FLOAT NOT NULL, 
	withdrawn_at FLOAT, 
	withdrawn_by TEXT, 
	file_size BIGINT, 
	file_sha256 TEXT, 
	file_problem TEXT, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	UNIQUE (pool, task, image, reader, revision), 
	FOREIGN KEY(pool, task, image) REFERENCES images (pool, task, id)
);
INSERT INTO "annotations" VALUES('pool','task','settled','ann',1,'glioma',5,2.5,'settled/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}','{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}','settled by ann','pixels of settled','number 1','reader',NULL,0,1.79607397723497343058e+09,1.79607397768121147159e+09,'reviewer',NULL,NULL,NULL,1);
INSERT INTO "annotations" VALUES('pool','task','revised','ann',1,'glioma',5,2.5,'revised/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{"seconds": 12.5, "note": "\u00e4"}','{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}','revised by ann','pixels of revised',NULL,'reader',NULL,0,1.79607397726768493653e+09,NULL,NULL,NULL,NULL,NULL,2);
INSERT INTO "annotations" VALUES('pool','task','revised','ann',2,'glioma',9,2.5,'revised/ann.r2.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'second','pixels of revised',NULL,'reader',NULL,1,1.79607397728378438946e+09,NULL,NULL,300,'abababababababababababababababababababababababababababababababab',NULL,3);
INSERT INTO "annotations" VALUES('pool','task','revised','ann',3,'none',0,0.0,'revised/ann.r3.nii.gz','[{"name": "none", "idx": 1}]','{}',NULL,'third','pixels of revised',NULL,'reader',NULL,0,1.79607397729973316188e+09,1.79607397731656885141e+09,'reviewer',NULL,NULL,NULL,4);
INSERT INTO "annotations" VALUES('pool','task','disputed','ann',1,'glioma',5,2.5,'disputed/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}','{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}','disputed by ann','pixels of disputed',NULL,'reader',NULL,1,1.79607397733973360061e+09,NULL,NULL,NULL,NULL,NULL,5);
INSERT INTO "annotations" VALUES('pool','task','disputed','bob',1,'none',0,0.0,'disputed/bob.r1.nii.gz','[{"name": "none", "idx": 1}]','{}',NULL,'disputed by bob','pixels of disputed',NULL,'reader',NULL,1,1.79607397735557365418e+09,NULL,NULL,NULL,NULL,NULL,6);
INSERT INTO "annotations" VALUES('pool','task','withdrawn','ann',1,'glioma',5,2.5,'withdrawn/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}','{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}','withdrawn by ann','pixels of withdrawn',NULL,'reader',NULL,0,1.79607397737575292585e+09,1.79607397739256715771e+09,'ann',NULL,NULL,NULL,7);
INSERT INTO "annotations" VALUES('pool','task','imported','import',1,'glioma',5,2.5,'imported/import.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'imported by import','pixels of imported',NULL,'import',NULL,1,1.79607397740364027019e+09,NULL,NULL,NULL,NULL,NULL,8);
INSERT INTO "annotations" VALUES('pool','task','excluded','ann',1,'glioma',5,2.5,'excluded/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'excluded by ann','pixels of excluded',NULL,'reader',NULL,1,1.79607397741967248915e+09,NULL,NULL,NULL,NULL,NULL,9);
INSERT INTO "annotations" VALUES('pool','task','deleted','ann',1,'glioma',5,2.5,'deleted/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'deleted by ann','pixels of deleted',NULL,'reader',NULL,1,1.79607397743959903719e+09,NULL,NULL,NULL,NULL,NULL,10);
INSERT INTO "annotations" VALUES('pool','task','replaced','ann',1,'glioma',5,2.5,'replaced/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'replaced by ann','pixels of replaced',NULL,'reader',NULL,1,1.79607397745158338551e+09,NULL,NULL,NULL,NULL,NULL,11);
INSERT INTO "annotations" VALUES('pool','task','unscored','ann',1,'glioma',5,2.5,'unscored/ann.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'unscored by ann','pixels of unscored',NULL,'reader','[0.25, 0.5]',1,1.79607397758733129504e+09,NULL,NULL,NULL,NULL,NULL,12);
INSERT INTO "annotations" VALUES('pool','task','unscored','bob',1,'glioma',5,2.5,'unscored/bob.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'unscored by bob','pixels of unscored',NULL,'reader','[0.5, 0.5]',1,1.79607397760358810422e+09,NULL,NULL,NULL,NULL,NULL,13);
INSERT INTO "annotations" VALUES('pool','task','settled','reviewer',1,'glioma',5,2.5,'settled/reviewer.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'settled by reviewer','pixels of settled',NULL,'reader',NULL,1,1.79607397768121147159e+09,NULL,NULL,NULL,NULL,NULL,14);
INSERT INTO "annotations" VALUES('other pool','task','settled','carl',1,'glioma',5,2.5,'settled/carl.r1.nii.gz','[{"name": "glioma", "idx": 1}]','{}',NULL,'settled by carl','pixels of settled',NULL,'reader',NULL,1,1.79607397775173449521e+09,NULL,NULL,NULL,NULL,NULL,15);
CREATE TABLE arrivals (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	series VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	outlines INTEGER NOT NULL, 
	problem TEXT, 
	seen_at FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, series)
);
INSERT INTO "arrivals" VALUES('pool','task','1.2.3','seen so',1,NULL,1.79607397764970541003e+09);
INSERT INTO "arrivals" VALUES('pool','task','1.2.4','seen so, too',0,'no image of it is known',1.79607397765642118458e+09);
CREATE TABLE comparisons (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	one INTEGER NOT NULL, 
	other INTEGER NOT NULL, 
	image VARCHAR NOT NULL, 
	dice FLOAT, 
	PRIMARY KEY (pool, task, one, other), 
	FOREIGN KEY(pool, task, image) REFERENCES images (pool, task, id)
);
INSERT INTO "comparisons" VALUES('pool','task',12,13,'unscored',0.5);
CREATE TABLE deliveries (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	annotation INTEGER NOT NULL, 
	state VARCHAR NOT NULL, 
	next_try FLOAT NOT NULL, 
	tries INTEGER NOT NULL, 
	problem TEXT, 
	ended_at FLOAT, 
	PRIMARY KEY (pool, task, annotation)
);
INSERT INTO "deliveries" VALUES('pool','task',1,'withdrawn',0.0,0,NULL,1.79607397766724801065e+09);
INSERT INTO "deliveries" VALUES('pool','task',2,'dropped',0.0,0,'there is a later revision',1.79607397767122268679e+09);
INSERT INTO "deliveries" VALUES('pool','task',3,'waiting',1800000000.0,1,'the archive is away',NULL);
INSERT INTO "deliveries" VALUES('pool','task',4,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',5,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',6,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',7,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',8,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',9,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',10,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',11,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',12,'waiting',0.0,0,NULL,NULL);
INSERT INTO "deliveries" VALUES('pool','task',13,'waiting',0.0,0,NULL,NULL);
CREATE TABLE doubts (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	annotation INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	image VARCHAR NOT NULL, 
	detail TEXT NOT NULL, 
	raised_at FLOAT NOT NULL, 
	accepted_at FLOAT, 
	accepted_by TEXT, 
	PRIMARY KEY (pool, task, annotation, kind), 
	FOREIGN KEY(pool, task, image) REFERENCES images (pool, task, id)
);
INSERT INTO "doubts" VALUES('pool','task',12,'model','unscored','{"finding": "none", "probability": 0.9375, "overlap": 0.5}',1.79607397761696314809e+09,NULL,NULL);
INSERT INTO "doubts" VALUES('pool','task',13,'far','unscored','{"distance": 0.25}',1.79607397762459897998e+09,1.79607397762910437578e+09,'reviewer');
CREATE TABLE events (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	kind VARCHAR NOT NULL, 
	reader TEXT, 
	image TEXT, 
	detail TEXT NOT NULL, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT
);
INSERT INTO "events" VALUES('pool','task',1.7960739771567864418e+09,'unreadable',NULL,'unreadable','{"problem": "not an image: \u00fc"}',1);
INSERT INTO "events" VALUES('pool','task',1.79607397717361307138e+09,'validation',NULL,NULL,'{"validation": 1, "images": 2}',2);
INSERT INTO "events" VALUES('pool','task',1.79607397717642951013e+09,'candidate',NULL,NULL,'{"version": 1}',3);
INSERT INTO "events" VALUES('pool','task',1.79607397717854547496e+09,'candidate',NULL,NULL,'{"version": 2}',4);
INSERT INTO "events" VALUES('pool','task',1.79607397718448352818e+09,'candidate',NULL,NULL,'{"version": 3}',5);
INSERT INTO "events" VALUES('pool','task',1.79607397719344687465e+09,'publish','gate',NULL,'{"version": 1, "before": null}',6);
INSERT INTO "events" VALUES('pool','task',1.7960739772008736133e+09,'publish','gate',NULL,'{"version": 2, "before": 1}',7);
INSERT INTO "events" VALUES('pool','task',1.7960739772032465935e+09,'refuse','gate',NULL,'{"version": 3, "verdict": {"published": false, "reason": "worse"}}',8);
INSERT INTO "events" VALUES('pool','task',1.79607397721222496037e+09,'validation',NULL,NULL,'{"validation": 2, "images": 1}',9);
INSERT INTO "events" VALUES('pool','task',1.79607397724809217452e+09,'submit','ann','settled','{"annotation": 1, "revision": 1, "finding": "glioma", "offered_at": null}',10);
INSERT INTO "events" VALUES('pool','task',1796073977.27159,'submit','ann','revised','{"annotation": 2, "revision": 1, "finding": "glioma", "offered_at": null}',11);
INSERT INTO "events" VALUES('pool','task',1.79607397728777480128e+09,'submit','ann','revised','{"annotation": 3, "revision": 2, "finding": "glioma", "offered_at": null}',12);
INSERT INTO "events" VALUES('pool','task',1.79607397730287814139e+09,'submit','ann','revised','{"annotation": 4, "revision": 3, "finding": "none", "offered_at": null}',13);
INSERT INTO "events" VALUES('pool','task',1.79607397731756186481e+09,'withdraw','reviewer','revised','{"annotation": 4, "of": "ann"}',14);
INSERT INTO "events" VALUES('pool','task',1.79607397734313631058e+09,'submit','ann','disputed','{"annotation": 5, "revision": 1, "finding": "glioma", "offered_at": null}',15);
INSERT INTO "events" VALUES('pool','task',1.79607397736425447466e+09,'submit','bob','disputed','{"annotation": 6, "revision": 1, "finding": "none", "offered_at": null}',16);
INSERT INTO "events" VALUES('pool','task',1.79607397736657571794e+09,'disagreement',NULL,'disputed','{"findings": {"ann": "glioma", "bob": "none"}}',17);
INSERT INTO "events" VALUES('pool','task',1.79607397737986373897e+09,'submit','ann','withdrawn','{"annotation": 7, "revision": 1, "finding": "glioma", "offered_at": null}',18);
INSERT INTO "events" VALUES('pool','task',1.79607397739292931563e+09,'withdraw','ann','withdrawn','{"annotation": 7, "of": "ann"}',19);
INSERT INTO "events" VALUES('pool','task',1.7960739774078366757e+09,'import','import','imported','{"annotation": 8, "revision": 1, "finding": "glioma", "offered_at": null}',20);
INSERT INTO "events" VALUES('pool','task',1.79607397742428159716e+09,'submit','ann','excluded','{"annotation": 9, "revision": 1, "finding": "glioma", "offered_at": null}',21);
INSERT INTO "events" VALUES('pool','task',1.79607397744277453429e+09,'submit','ann','deleted','{"annotation": 10, "revision": 1, "finding": "glioma", "offered_at": null}',22);
INSERT INTO "events" VALUES('pool','task',1.79607397745513367652e+09,'submit','ann','replaced','{"annotation": 11, "revision": 1, "finding": "glioma", "offered_at": null}',23);
INSERT INTO "events" VALUES('pool','task',1.79607397747138524055e+09,'exclude','ann','excluded','{"reason": "wrong modality"}',24);
INSERT INTO "events" VALUES('pool','task',1.79607397748997449872e+09,'delete','reviewer','deleted','{}',25);
INSERT INTO "events" VALUES('pool','task',1.79607397750627517697e+09,'pixels replaced',NULL,'replaced','{"annotations": [11]}',26);
INSERT INTO "events" VALUES('pool','task',1.79607397751426506047e+09,'train started',NULL,NULL,'{"job": 1}',27);
INSERT INTO "events" VALUES('pool','task',1.79607397752529406552e+09,'train done',NULL,NULL,'{"job": 1, "message": null}',28);
INSERT INTO "events" VALUES('pool','task',1.79607397753293919562e+09,'score started',NULL,NULL,'{"job": 2}',29);
INSERT INTO "events" VALUES('pool','task',1.79607397754073834419e+09,'score failed',NULL,NULL,'{"job": 2, "message": "out of memory"}',30);
INSERT INTO "events" VALUES('pool','task',1.79607397754437398914e+09,'setting','reviewer',NULL,'{"key": "alpha", "value": 0.25}',31);
INSERT INTO "events" VALUES('pool','task',1.79607397754810476308e+09,'setting','reviewer',NULL,'{"key": "nothing", "value": null}',32);
INSERT INTO "events" VALUES('pool','task',1.79607397755139160154e+09,'opened','ann',NULL,'{"who": "ann \u00e4"}',33);
INSERT INTO "events" VALUES('pool','task',1.79607397758502340323e+09,'line_up',NULL,NULL,'{"images": 2}',34);
INSERT INTO "events" VALUES('pool','task',1.79607397759083414071e+09,'submit','ann','unscored','{"annotation": 12, "revision": 1, "finding": "glioma", "offered_at": null}',35);
INSERT INTO "events" VALUES('pool','task',1.79607397760716247557e+09,'submit','bob','unscored','{"annotation": 13, "revision": 1, "finding": "glioma", "offered_at": null}',36);
INSERT INTO "events" VALUES('pool','task',1.79607397761765384671e+09,'doubt',NULL,'unscored','{"annotation": 12, "kind": "model"}',37);
INSERT INTO "events" VALUES('pool','task',1.79607397762474203109e+09,'doubt',NULL,'unscored','{"annotation": 13, "kind": "far"}',38);
INSERT INTO "events" VALUES('pool','task',1.79607397762990593902e+09,'accept','reviewer','unscored','{"annotation": 13, "kind": "far"}',39);
INSERT INTO "events" VALUES('pool','task',1.7960739776389789581e+09,'settle','reviewer','disputed','{"finding": "none", "reason": "seen on the next slice"}',40);
INSERT INTO "events" VALUES('pool','task',1.79607397764951491354e+09,'outline found',NULL,'found','{"series": "1.2.3"}',41);
INSERT INTO "events" VALUES('pool','task',1.79607397768522381777e+09,'revise','reviewer','settled','{"annotation": 1, "of": "ann"}',42);
INSERT INTO "events" VALUES('pool','task',1.79607397769123697285e+09,'submit','reviewer','settled','{"annotation": 14, "revision": 1, "finding": "glioma", "offered_at": null}',43);
INSERT INTO "events" VALUES('other pool','task',1.79607397776950192453e+09,'submit','carl','settled','{"annotation": 15, "revision": 1, "finding": "glioma", "offered_at": null}',44);
CREATE TABLE given (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	reader VARCHAR NOT NULL, 
	image VARCHAR NOT NULL, 
	turn INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, reader, image), 
	FOREIGN KEY(pool, task, image) REFERENCES images (pool, task, id)
);
INSERT INTO "given" VALUES('pool','task','bob','waiting/ä',1,1800000000.0);
INSERT INTO "given" VALUES('pool','task','bob','withdrawn',2,1800000001.0);
CREATE TABLE images (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	path TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	mtime_ns BIGINT NOT NULL, 
	state VARCHAR NOT NULL, 
	problem TEXT, 
	checksum TEXT, 
	fingerprint VARCHAR, 
	info TEXT NOT NULL, 
	excluded TEXT, 
	excluded_by TEXT, 
	required INTEGER, 
	complete BOOLEAN NOT NULL, 
	finding VARCHAR, 
	labelled BOOLEAN NOT NULL, 
	outdated BOOLEAN NOT NULL, 
	decision TEXT, 
	open BOOLEAN NOT NULL, 
	status VARCHAR NOT NULL, 
	score FLOAT NOT NULL, 
	place INTEGER NOT NULL, 
	uncertainty FLOAT NOT NULL, 
	misalignment FLOAT, 
	roi_source TEXT, 
	telling FLOAT NOT NULL, 
	version INTEGER, 
	roi_key TEXT, 
	fresh INTEGER NOT NULL, 
	shuffle BIGINT NOT NULL, 
	added_at FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, id)
);
INSERT INTO "images" VALUES('pool','task','settled','settled.png',3000000000,1700000000123456789,'ok',NULL,'bytes of settled','pixels of settled','{"group": "patient 1", "note": "\u00e4", "nested": {"numbers": [1, 2.5, null]}}',NULL,NULL,1,1,'glioma',1,0,NULL,0,'settled',0.375,2147483647,0.0,NULL,'none',1.0,2,'14.1',0,2625648858297759969,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','revised','revised.png',3000000000,1700000000123456789,'ok',NULL,'bytes of revised','pixels of revised','{}',NULL,NULL,1,1,'glioma',1,0,NULL,0,'settled',0.059375,2147483647,0.05,0.0625,'proposed',0.0,2,'3.2',0,2085353522591111409,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','disputed','disputed.png',3000000000,1700000000123456789,'ok',NULL,'bytes of disputed','pixels of disputed','{}',NULL,NULL,2,1,'none',1,0,'{"finding": "none", "by": "reviewer", "at": 1796073977.6367633, "reason": "seen on the next slice"}',0,'settled',0.4,2147483647,0.1,NULL,'none',0.9,2,'5.1',0,215522828326475570,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','withdrawn','withdrawn.png',3000000000,1700000000123456789,'ok',NULL,'bytes of withdrawn','pixels of withdrawn','{}',NULL,NULL,NULL,0,NULL,0,0,NULL,1,'waiting',0.178125,2147483647,0.15,0.1875,'proposed',0.0,2,NULL,2,1451974505094474227,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','imported','imported.png',3000000000,1700000000123456789,'ok',NULL,'bytes of imported','pixels of imported','{}',NULL,NULL,NULL,1,'glioma',1,0,NULL,0,'settled',0.425,2147483647,0.2,NULL,'none',0.8,2,'8.1',0,1045827279580076319,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','excluded','excluded.png',3000000000,1700000000123456789,'ok',NULL,'bytes of excluded','pixels of excluded','{}','wrong modality','ann',1,1,'glioma',1,0,NULL,0,'excluded',0.296875,2147483647,0.25,0.3125,'proposed',0.0,2,'9.1',0,7862216321417671502,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','unreadable','unreadable.png',3000000000,1700000000123456789,'unreadable','not an image: ü',NULL,NULL,'{}',NULL,NULL,NULL,0,NULL,0,0,NULL,0,'unreadable',-1.0,2147483647,-1.0,NULL,NULL,-1.0,NULL,NULL,0,7479530179305451646,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','gone','gone.png',3000000000,1700000000123456789,'gone',NULL,'bytes of gone','pixels of gone','{}',NULL,NULL,NULL,0,NULL,0,0,NULL,0,'gone',0.415625,2147483647,0.35,0.4375,'proposed',0.0,2,NULL,2,6747067839409607487,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','deleted','deleted.png',3000000000,1700000000123456789,'deleted',NULL,'bytes of deleted','pixels of deleted','{}',NULL,NULL,1,1,'glioma',1,0,NULL,0,'deleted',0.475,2147483647,0.4,NULL,'none',0.6,2,'10.1',0,6351491471969795657,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','replaced','replaced.png',3000000000,5,'ok',NULL,NULL,'other pixels','{}',NULL,NULL,1,1,NULL,1,1,NULL,0,'review',0.534375,2147483647,0.45,0.5625,'proposed',0.0,2,NULL,0,323476671158312735,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','found','found.png',3000000000,1700000000123456789,'ok',NULL,'bytes of found','pixels of found','{}',NULL,NULL,NULL,0,NULL,0,0,NULL,1,'waiting',0.5,0,0.5,NULL,'none',0.5,2,'1.2.3/1',0,6127581254197766992,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','waiting/ä','waiting/ä.png',3000000000,1700000000123456789,'ok',NULL,'bytes of waiting/ä','pixels of waiting/ä','{}',NULL,NULL,NULL,0,NULL,0,0,NULL,1,'waiting',0.653125,1,0.55,0.6875,'proposed',0.0,2,NULL,2,8705024231329144303,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('pool','task','unscored','unscored.png',3000000000,1700000000123456789,'ok',NULL,NULL,NULL,'{}',NULL,NULL,2,1,'glioma',1,0,NULL,0,'settled',-1.0,2147483647,-1.0,NULL,NULL,-1.0,NULL,'12.1 13.1',0,8948934514690741505,1.79607397701508665079e+09);
INSERT INTO "images" VALUES('other pool','task','settled','settled.png',3000000000,1700000000123456789,'ok',NULL,NULL,NULL,'{}',NULL,NULL,1,1,'glioma',1,0,NULL,0,'settled',-1.0,2147483647,-1.0,NULL,NULL,-1.0,NULL,'15.1',0,8369450662698371969,1.79607397773351645472e+09);
CREATE TABLE jobs (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	pid INTEGER NOT NULL, 
	host TEXT NOT NULL, 
	process_start FLOAT NOT NULL, 
	request TEXT NOT NULL, 
	started_at FLOAT NOT NULL, 
	heartbeat FLOAT NOT NULL, 
	finished_at FLOAT, 
	progress TEXT NOT NULL, 
	message TEXT, 
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT
);
INSERT INTO "jobs" VALUES('pool','task','train','done',17163,'host',1796073974.6,'{"epochs": 3}',1.79607397751348686221e+09,1.79607397751957774162e+09,1.79607397752373075484e+09,'{"epoch": 2, "of": 3}',NULL,1);
INSERT INTO "jobs" VALUES('pool','task','score','failed',17163,'host',1796073974.6,'{"epochs": 3}',1.79607397753270268438e+09,1.79607397753399443624e+09,1.79607397753992867467e+09,'{"epoch": 2, "of": 3}','out of memory',2);
CREATE TABLE leases (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	image VARCHAR NOT NULL, 
	reader VARCHAR NOT NULL, 
	until FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, image), 
	FOREIGN KEY(pool, task, image) REFERENCES images (pool, task, id)
);
INSERT INTO "leases" VALUES('pool','task','waiting/ä','bob',1800003600.0);
INSERT INTO "leases" VALUES('pool','task','withdrawn','bob',1800007201.0);
CREATE TABLE outlines (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	image VARCHAR NOT NULL, 
	origin VARCHAR NOT NULL, 
	series VARCHAR NOT NULL, 
	path TEXT NOT NULL, 
	voxels BIGINT NOT NULL, 
	fingerprint VARCHAR, 
	found_at FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, image, origin), 
	FOREIGN KEY(pool, task, image) REFERENCES images (pool, task, id)
);
INSERT INTO "outlines" VALUES('pool','task','found','1.2.3/1','1.2.3','found/1.nii.gz',12,'pixels of found',1800000000.0);
CREATE TABLE readers (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	reader VARCHAR NOT NULL, 
	first_seen FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, reader)
);
INSERT INTO "readers" VALUES('pool','task','ann',1.79607397723497343058e+09);
INSERT INTO "readers" VALUES('pool','task','bob',1.79607397735557365418e+09);
INSERT INTO "readers" VALUES('pool','task','reviewer',1.79607397768121147159e+09);
INSERT INTO "readers" VALUES('other pool','task','carl',1.79607397775173449521e+09);
CREATE TABLE readings (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	image VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	roi_key TEXT, 
	finding VARCHAR NOT NULL, 
	probabilities TEXT NOT NULL, 
	uncertainty FLOAT NOT NULL, 
	misalignment FLOAT, 
	overlap FLOAT, 
	energy FLOAT, 
	roi_source TEXT NOT NULL, 
	attention BLOB NOT NULL, 
	evidence BLOB, 
	coverage BLOB, 
	proposed BLOB, 
	embedding BLOB, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, image), 
	FOREIGN KEY(pool, task, image) REFERENCES images (pool, task, id)
);
INSERT INTO "readings" VALUES('pool','task','settled',2,'pixels of settled',NULL,'none','{"glioma": 0.125, "none": 0.875}',0.0,NULL,NULL,NULL,'none',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06020000C4321B6D',NULL,NULL,NULL,X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E0606061B060700F70A1BD4',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','revised',2,'pixels of revised',NULL,'glioma','{"glioma": 0.75, "none": 0.25}',0.05,0.0625,0.5,0.25,'proposed',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06862B5257E4E415AF28B9A8C8ABFE54BDA2B64EDD4563A386BC668FE64FCD342D006D542610',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A463A0A2640A4A9A350AB401EE062B0A10C02002F79230B',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E061B0607062700F8441C16',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','disputed',2,'pixels of disputed',NULL,'none','{"glioma": 0.125, "none": 0.875}',0.1,NULL,NULL,NULL,'none',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06862B725794E455AFA8B968C86BFED4BCA2B54EDB4567A38EBC6E8FEE4FDD343D0070D8264C',NULL,NULL,NULL,X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E06070627061700F8601C1E',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','withdrawn',2,'pixels of withdrawn',NULL,'glioma','{"glioma": 0.75, "none": 0.25}',0.15,0.1875,0.5,0.25,'proposed',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E0606794579D575EAF29A695AEBB4AB75E4750FEBA6E971E9AFD3D734A836386B00003EC62405',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A463A0A2640A4A9A350AB401EE06270A20C0200477923CB',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E06270617065700F8711C23',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','imported',2,'pixels of imported',NULL,'none','{"glioma": 0.125, "none": 0.875}',0.2,NULL,NULL,NULL,'none',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06862B4A57D4E435AF68B9E8C8EBFED4BDA2B74EDFC560A381BC618FE14FC3342300745C2688',NULL,NULL,NULL,X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E06170657063700F87F1C27',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','excluded',2,'pixels of excluded',NULL,'glioma','{"glioma": 0.75, "none": 0.25}',0.25,0.3125,0.5,0.25,'proposed',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06061715178D342D179D50DD34BD727D1783B306A186F70CD38CDE1B951B33980000499A249A',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A463A0A2640A4A9A350AB401EE06270A50C02005379242B',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E06570637067700F8881C2A',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','gone',2,'pixels of gone',NULL,'glioma','{"glioma": 0.75, "none": 0.25}',0.35,0.4375,0.5,0.25,'proposed',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06869FAA3F35AB757EEA96EB571B5819FE34DC61546E2C6D526D72CBC4CA749629008BF6273E',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A463A0A2640A4A9A350AB401EE06270A70C02005B79246B',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E0677068F060F00F9991CAF',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','deleted',2,'pixels of deleted',NULL,'none','{"glioma": 0.125, "none": 0.875}',0.4,NULL,NULL,NULL,'none',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06862B6A57B4E475AFE8B918C81BFE34BC62B4CED8C564A389BC698FE94FD334330077E026C4',NULL,NULL,NULL,X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E068F060F064F00FA9F1CB1',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','replaced',2,'pixels of replaced',NULL,'glioma','{"glioma": 0.75, "none": 0.25}',0.45,0.5625,0.5,0.25,'proposed',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E068675EAEBB40FEBAED33F6B70D87087D13AE32093B3261EA6874D6DCD7698199B03008DB4276B',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A463A0A2640A4A9A350AB401EE06AF0A00C02006F97348B',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A1400AE060F06CF064F00FCA21D32',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','found',2,'pixels of found',NULL,'none','{"glioma": 0.125, "none": 0.875}',0.5,NULL,NULL,NULL,'none',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E0606170D179D343D178350C334A372631793B326A1A6F74CD3CCDE9B959B335800004D1E24D6',NULL,NULL,NULL,X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A14002E06CF064F062F00FAA81CB4',1.79607397721862792967e+09);
INSERT INTO "readings" VALUES('pool','task','waiting/ä',2,'pixels of waiting/ä',NULL,'glioma','{"glioma": 0.75, "none": 0.25}',0.55,0.6875,0.5,0.25,'proposed',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E06868D1A1B75B8F4371ADC33E4329636D968E2617ACFB4C48CCB7C81B9B4459A050061A42500',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A463A0A2640A4A9A350AB401EE06AF0A40C0200739734AB',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91A263A0A269A3A0AB50A64032E061B0618C0CA0200D3321C5D',X'78019BEC17EA1B10C9C850C650AD9E925A9C5CA46EA5A06E9366A4AEA3A09E965F54529498179F5F94920A12774BCC294E058A17672416A402F91AC63A9A3A0AB50A1400AE064F06AF062F00FCAB1D35',1.79607397721862792967e+09);
CREATE TABLE settings (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	value TEXT, 
	PRIMARY KEY (pool, task, "key")
);
INSERT INTO "settings" VALUES('pool','task','alpha','0.25');
INSERT INTO "settings" VALUES('pool','task','nothing',NULL);
INSERT INTO "settings" VALUES('pool','task','looked_at','13');
CREATE TABLE tallies (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	open BOOLEAN NOT NULL, 
	labelled BOOLEAN NOT NULL, 
	excluded BOOLEAN NOT NULL, 
	finding VARCHAR NOT NULL, 
	n INTEGER NOT NULL, 
	PRIMARY KEY (pool, task, state, open, labelled, excluded, finding)
);
INSERT INTO "tallies" VALUES('pool','task','ok',1,0,0,'',3);
INSERT INTO "tallies" VALUES('pool','task','unreadable',0,0,0,'',1);
INSERT INTO "tallies" VALUES('pool','task','ok',0,1,0,'glioma',4);
INSERT INTO "tallies" VALUES('pool','task','ok',0,1,0,'none',1);
INSERT INTO "tallies" VALUES('pool','task','ok',1,1,0,'',0);
INSERT INTO "tallies" VALUES('pool','task','ok',0,1,0,'',1);
INSERT INTO "tallies" VALUES('pool','task','ok',0,1,1,'glioma',1);
INSERT INTO "tallies" VALUES('pool','task','gone',0,0,0,'',1);
INSERT INTO "tallies" VALUES('pool','task','deleted',0,1,0,'glioma',1);
INSERT INTO "tallies" VALUES('other pool','task','ok',1,0,0,'',0);
INSERT INTO "tallies" VALUES('other pool','task','ok',0,1,0,'glioma',1);
CREATE TABLE validations (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	validation INTEGER NOT NULL, 
	images TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (pool, task, validation)
);
INSERT INTO "validations" VALUES('pool','task',1,'["settled", "revised"]',1.79607397717292237284e+09);
INSERT INTO "validations" VALUES('pool','task',2,'["settled"]',1.79607397721208858487e+09);
CREATE TABLE versions (
	pool VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	state VARCHAR NOT NULL, 
	current BOOLEAN NOT NULL, 
	path TEXT, 
	sha256 TEXT, 
	metrics TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	settings TEXT NOT NULL, 
	parent INTEGER, 
	validation INTEGER, 
	created_at FLOAT NOT NULL, 
	published_at FLOAT, 
	PRIMARY KEY (pool, task, version)
);
INSERT INTO "versions" VALUES('pool','task',1,'published',0,'models/v1','one','{"auroc": 0.7}','{}','{}',NULL,1,1.79607397717540192604e+09,1.79607397719251108171e+09);
INSERT INTO "versions" VALUES('pool','task',2,'published',1,'models/v2','two','{}','{}','{"epochs": 3}',1,1,1.79607397717840170858e+09,1.79607397720056581494e+09);
INSERT INTO "versions" VALUES('pool','task',3,'refused',0,NULL,NULL,'{}','{"published": false, "reason": "worse"}','{}',NULL,NULL,1.79607397718432211875e+09,NULL);
CREATE TABLE xal_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "xal_schema" VALUES(6);
CREATE INDEX images_by_score ON images (pool, task, open, place, score DESC, shuffle);
CREATE INDEX images_by_source ON images (pool, task, open, roi_source, place, score DESC, shuffle);
CREATE INDEX images_by_shuffle ON images (pool, task, open, shuffle);
CREATE INDEX images_by_freshness ON images (pool, task, open, fresh, id);
CREATE INDEX images_by_label ON images (pool, task, labelled, id);
CREATE INDEX images_by_status ON images (pool, task, status, id);
CREATE INDEX images_by_telling ON images (pool, task, open, telling DESC, shuffle);
CREATE INDEX images_by_version ON images (pool, task, open, version, misalignment);
CREATE INDEX images_by_uncertainty ON images (pool, task, open, uncertainty DESC, shuffle);
CREATE INDEX images_by_fingerprint ON images (pool, task, fingerprint, id);
CREATE INDEX deliveries_by_state ON deliveries (pool, task, state, next_try);
CREATE INDEX jobs_by_state ON jobs (pool, task, state, kind);
CREATE INDEX events_in_order ON events (pool, task, id);
CREATE INDEX leases_by_end ON leases (pool, task, until);
CREATE INDEX given_by_turn ON given (pool, task, reader, turn);
CREATE INDEX annotations_in_order ON annotations (pool, task, id);
CREATE INDEX annotations_by_submission ON annotations (pool, task, submission_id);
CREATE INDEX annotations_by_finding ON annotations (pool, task, finding, id);
CREATE INDEX annotations_by_reader ON annotations (pool, task, reader, id);
CREATE INDEX annotations_damaged ON annotations (pool, task, id) WHERE file_problem IS NOT NULL;
CREATE INDEX doubts_open ON doubts (pool, task, accepted_at, annotation);
CREATE INDEX outlines_by_series ON outlines (pool, task, series);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',44);
INSERT INTO "sqlite_sequence" VALUES('annotations',15);
INSERT INTO "sqlite_sequence" VALUES('jobs',2);
COMMIT;
