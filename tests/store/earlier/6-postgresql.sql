CREATE TABLE public.annotations (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    image character varying NOT NULL COLLATE pg_catalog."C",
    reader character varying NOT NULL COLLATE pg_catalog."C",
    revision integer NOT NULL,
    finding character varying NOT NULL COLLATE pg_catalog."C",
    roi_voxels bigint NOT NULL,
    roi_volume double precision NOT NULL,
    label_path text NOT NULL,
    label_info text NOT NULL,
    params text NOT NULL,
    story text,
    digest character varying NOT NULL COLLATE pg_catalog."C",
    fingerprint character varying COLLATE pg_catalog."C",
    submission_id character varying COLLATE pg_catalog."C",
    source character varying NOT NULL COLLATE pg_catalog."C",
    centre text,
    active boolean NOT NULL,
    created_at double precision NOT NULL,
    withdrawn_at double precision,
    withdrawn_by text,
    file_size bigint,
    file_sha256 text,
    file_problem text,
    id integer NOT NULL
);
CREATE SEQUENCE public.annotations_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.annotations_id_seq OWNED BY public.annotations.id;
CREATE TABLE public.arrivals (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    series character varying NOT NULL COLLATE pg_catalog."C",
    state character varying NOT NULL COLLATE pg_catalog."C",
    outlines integer NOT NULL,
    problem text,
    seen_at double precision NOT NULL
);
CREATE TABLE public.comparisons (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    one integer NOT NULL,
    other integer NOT NULL,
    image character varying NOT NULL COLLATE pg_catalog."C",
    dice double precision
);
CREATE TABLE public.deliveries (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    annotation integer NOT NULL,
    state character varying NOT NULL COLLATE pg_catalog."C",
    next_try double precision NOT NULL,
    tries integer NOT NULL,
    problem text,
    ended_at double precision
);
CREATE TABLE public.doubts (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    annotation integer NOT NULL,
    kind character varying NOT NULL COLLATE pg_catalog."C",
    image character varying NOT NULL COLLATE pg_catalog."C",
    detail text NOT NULL,
    raised_at double precision NOT NULL,
    accepted_at double precision,
    accepted_by text
);
CREATE TABLE public.events (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    at double precision NOT NULL,
    kind character varying NOT NULL COLLATE pg_catalog."C",
    reader text,
    image text,
    detail text NOT NULL,
    id integer NOT NULL
);
CREATE SEQUENCE public.events_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.given (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    reader character varying NOT NULL COLLATE pg_catalog."C",
    image character varying NOT NULL COLLATE pg_catalog."C",
    turn integer NOT NULL,
    at double precision NOT NULL
);
CREATE TABLE public.images (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    id character varying NOT NULL COLLATE pg_catalog."C",
    path text NOT NULL,
    size bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    state character varying NOT NULL COLLATE pg_catalog."C",
    problem text,
    checksum text,
    fingerprint character varying COLLATE pg_catalog."C",
    info text NOT NULL,
    excluded text,
    excluded_by text,
    required integer,
    complete boolean NOT NULL,
    finding character varying COLLATE pg_catalog."C",
    labelled boolean NOT NULL,
    outdated boolean NOT NULL,
    decision text,
    open boolean NOT NULL,
    status character varying NOT NULL COLLATE pg_catalog."C",
    score double precision NOT NULL,
    place integer NOT NULL,
    uncertainty double precision NOT NULL,
    misalignment double precision,
    roi_source text,
    telling double precision NOT NULL,
    version integer,
    roi_key text,
    fresh integer NOT NULL,
    shuffle bigint NOT NULL,
    added_at double precision NOT NULL
);
CREATE TABLE public.jobs (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    kind character varying NOT NULL COLLATE pg_catalog."C",
    state character varying NOT NULL COLLATE pg_catalog."C",
    pid integer NOT NULL,
    host text NOT NULL,
    process_start double precision NOT NULL,
    request text NOT NULL,
    started_at double precision NOT NULL,
    heartbeat double precision NOT NULL,
    finished_at double precision,
    progress text NOT NULL,
    message text,
    id integer NOT NULL
);
CREATE SEQUENCE public.jobs_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.jobs_id_seq OWNED BY public.jobs.id;
CREATE TABLE public.leases (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    image character varying NOT NULL COLLATE pg_catalog."C",
    reader character varying NOT NULL COLLATE pg_catalog."C",
    until double precision NOT NULL
);
CREATE TABLE public.outlines (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    image character varying NOT NULL COLLATE pg_catalog."C",
    origin character varying NOT NULL COLLATE pg_catalog."C",
    series character varying NOT NULL COLLATE pg_catalog."C",
    path text NOT NULL,
    voxels bigint NOT NULL,
    fingerprint character varying COLLATE pg_catalog."C",
    found_at double precision NOT NULL
);
CREATE TABLE public.readers (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    reader character varying NOT NULL COLLATE pg_catalog."C",
    first_seen double precision NOT NULL
);
CREATE TABLE public.readings (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    image character varying NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    fingerprint character varying NOT NULL COLLATE pg_catalog."C",
    roi_key text,
    finding character varying NOT NULL COLLATE pg_catalog."C",
    probabilities text NOT NULL,
    uncertainty double precision NOT NULL,
    misalignment double precision,
    overlap double precision,
    energy double precision,
    roi_source text NOT NULL,
    attention bytea NOT NULL,
    evidence bytea,
    coverage bytea,
    proposed bytea,
    embedding bytea,
    created_at double precision NOT NULL
);
CREATE TABLE public.settings (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    key character varying NOT NULL COLLATE pg_catalog."C",
    value text
);
CREATE TABLE public.tallies (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    state character varying NOT NULL COLLATE pg_catalog."C",
    open boolean NOT NULL,
    labelled boolean NOT NULL,
    excluded boolean NOT NULL,
    finding character varying NOT NULL COLLATE pg_catalog."C",
    n integer NOT NULL
);
CREATE TABLE public.validations (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    validation integer NOT NULL,
    images text NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.versions (
    pool character varying NOT NULL COLLATE pg_catalog."C",
    task character varying NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    state character varying NOT NULL COLLATE pg_catalog."C",
    current boolean NOT NULL,
    path text,
    sha256 text,
    metrics text NOT NULL,
    verdict text NOT NULL,
    settings text NOT NULL,
    parent integer,
    validation integer,
    created_at double precision NOT NULL,
    published_at double precision
);
CREATE TABLE public.xal_schema (
    version integer NOT NULL
);
CREATE SEQUENCE public.xal_schema_version_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.xal_schema_version_seq OWNED BY public.xal_schema.version;
ALTER TABLE ONLY public.annotations ALTER COLUMN id SET DEFAULT nextval('public.annotations_id_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
ALTER TABLE ONLY public.jobs ALTER COLUMN id SET DEFAULT nextval('public.jobs_id_seq'::regclass);
ALTER TABLE ONLY public.xal_schema ALTER COLUMN version SET DEFAULT nextval('public.xal_schema_version_seq'::regclass);
INSERT INTO public.annotations VALUES ('pool', 'task', 'settled', 'reviewer', 1, 'glioma', 5, 2.5, 'settled/reviewer.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'settled by reviewer', 'pixels of settled', NULL, 'reader', NULL, true, 1796073989.1191456, NULL, NULL, NULL, NULL, NULL, 14);
INSERT INTO public.annotations VALUES ('pool', 'task', 'withdrawn', 'ann', 1, 'glioma', 5, 2.5, 'withdrawn/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', '{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}', 'withdrawn by ann', 'pixels of withdrawn', NULL, 'reader', NULL, false, 1796073988.6524055, 1796073988.67845, 'ann', NULL, NULL, NULL, 7);
INSERT INTO public.annotations VALUES ('pool', 'task', 'imported', 'import', 1, 'glioma', 5, 2.5, 'imported/import.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'imported by import', 'pixels of imported', NULL, 'import', NULL, true, 1796073988.704368, NULL, NULL, NULL, NULL, NULL, 8);
INSERT INTO public.annotations VALUES ('pool', 'task', 'excluded', 'ann', 1, 'glioma', 5, 2.5, 'excluded/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'excluded by ann', 'pixels of excluded', NULL, 'reader', NULL, true, 1796073988.7298448, NULL, NULL, NULL, NULL, NULL, 9);
INSERT INTO public.annotations VALUES ('pool', 'task', 'revised', 'ann', 1, 'glioma', 5, 2.5, 'revised/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{"seconds": 12.5, "note": "\u00e4"}', '{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}', 'revised by ann', 'pixels of revised', NULL, 'reader', NULL, false, 1796073988.4853408, NULL, NULL, NULL, NULL, NULL, 2);
INSERT INTO public.annotations VALUES ('pool', 'task', 'revised', 'ann', 3, 'none', 0, 0, 'revised/ann.r3.nii.gz', '[{"name": "none", "idx": 1}]', '{}', NULL, 'third', 'pixels of revised', NULL, 'reader', NULL, false, 1796073988.5283732, 1796073988.561514, 'reviewer', NULL, NULL, NULL, 4);
INSERT INTO public.annotations VALUES ('pool', 'task', 'disputed', 'ann', 1, 'glioma', 5, 2.5, 'disputed/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', '{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}', 'disputed by ann', 'pixels of disputed', NULL, 'reader', NULL, true, 1796073988.5925038, NULL, NULL, NULL, NULL, NULL, 5);
INSERT INTO public.annotations VALUES ('pool', 'task', 'disputed', 'bob', 1, 'none', 0, 0, 'disputed/bob.r1.nii.gz', '[{"name": "none", "idx": 1}]', '{}', NULL, 'disputed by bob', 'pixels of disputed', NULL, 'reader', NULL, true, 1796073988.6244931, NULL, NULL, NULL, NULL, NULL, 6);
INSERT INTO public.annotations VALUES ('pool', 'task', 'deleted', 'ann', 1, 'glioma', 5, 2.5, 'deleted/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'deleted by ann', 'pixels of deleted', NULL, 'reader', NULL, true, 1796073988.7564425, NULL, NULL, NULL, NULL, NULL, 10);
INSERT INTO public.annotations VALUES ('pool', 'task', 'replaced', 'ann', 1, 'glioma', 5, 2.5, 'replaced/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'replaced by ann', 'pixels of replaced', NULL, 'reader', NULL, true, 1796073988.7759523, NULL, NULL, NULL, NULL, NULL, 11);
INSERT INTO public.annotations VALUES ('pool', 'task', 'unscored', 'ann', 1, 'glioma', 5, 2.5, 'unscored/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'unscored by ann', 'pixels of unscored', NULL, 'reader', '[0.25, 0.5]', true, 1796073988.9686658, NULL, NULL, NULL, NULL, NULL, 12);
INSERT INTO public.annotations VALUES ('pool', 'task', 'unscored', 'bob', 1, 'glioma', 5, 2.5, 'unscored/bob.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'unscored by bob', 'pixels of unscored', NULL, 'reader', '[0.5, 0.5]', true, 1796073988.9922242, NULL, NULL, NULL, NULL, NULL, 13);
INSERT INTO public.annotations VALUES ('pool', 'task', 'settled', 'ann', 1, 'glioma', 5, 2.5, 'settled/ann.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', '{"chosen": true, "model_version": 2, "finding": "glioma", "probability": 0.75, "probabilities": {"glioma": 0.75, "none": 0.25}, "uncertainty": 0.5, "misalignment": null, "alpha": 0.25, "score": 0.4375, "roi_source": "proposed", "overlap_before": null, "roi_confidence": 0.875, "overlap": 0.625, "energy": 0.375}', 'settled by ann', 'pixels of settled', 'number 1', 'reader', NULL, false, 1796073988.4401937, 1796073989.1191456, 'reviewer', NULL, NULL, NULL, 1);
INSERT INTO public.annotations VALUES ('pool', 'task', 'revised', 'ann', 2, 'glioma', 9, 2.5, 'revised/ann.r2.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'second', 'pixels of revised', NULL, 'reader', NULL, true, 1796073988.512266, NULL, NULL, 300, 'abababababababababababababababababababababababababababababababab', NULL, 3);
INSERT INTO public.annotations VALUES ('other pool', 'task', 'settled', 'carl', 1, 'glioma', 5, 2.5, 'settled/carl.r1.nii.gz', '[{"name": "glioma", "idx": 1}]', '{}', NULL, 'settled by carl', 'pixels of settled', NULL, 'reader', NULL, true, 1796073989.2048092, NULL, NULL, NULL, NULL, NULL, 15);
INSERT INTO public.arrivals VALUES ('pool', 'task', '1.2.3', 'seen so', 1, NULL, 1796073989.0737708);
INSERT INTO public.arrivals VALUES ('pool', 'task', '1.2.4', 'seen so, too', 0, 'no image of it is known', 1796073989.0812333);
INSERT INTO public.comparisons VALUES ('pool', 'task', 12, 13, 'unscored', 0.5);
INSERT INTO public.deliveries VALUES ('pool', 'task', 4, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 5, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 6, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 7, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 8, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 9, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 10, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 11, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 12, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 13, 'waiting', 0, 0, NULL, NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 2, 'dropped', 0, 0, 'there is a later revision', 1796073989.1033506);
INSERT INTO public.deliveries VALUES ('pool', 'task', 3, 'waiting', 1800000000, 1, 'the archive is away', NULL);
INSERT INTO public.deliveries VALUES ('pool', 'task', 1, 'withdrawn', 0, 0, NULL, 1796073989.095369);
INSERT INTO public.doubts VALUES ('pool', 'task', 12, 'model', 'unscored', '{"finding": "none", "probability": 0.9375, "overlap": 0.5}', 1796073989.0102398, NULL, NULL);
INSERT INTO public.doubts VALUES ('pool', 'task', 13, 'far', 'unscored', '{"distance": 0.25}', 1796073989.0238292, 1796073989.0368905, 'reviewer');
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3172529, 'unreadable', NULL, 'unreadable', '{"problem": "not an image: \u00fc"}', 1);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3439279, 'validation', NULL, NULL, '{"validation": 1, "images": 2}', 2);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3523111, 'candidate', NULL, NULL, '{"version": 1}', 3);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3617828, 'candidate', NULL, NULL, '{"version": 2}', 4);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3645198, 'candidate', NULL, NULL, '{"version": 3}', 5);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3787951, 'publish', 'gate', NULL, '{"version": 1, "before": null}', 6);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3869324, 'publish', 'gate', NULL, '{"version": 2, "before": 1}', 7);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.3979461, 'refuse', 'gate', NULL, '{"version": 3, "verdict": {"published": false, "reason": "worse"}}', 8);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.405526, 'validation', NULL, NULL, '{"validation": 2, "images": 1}', 9);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.461855, 'submit', 'ann', 'settled', '{"annotation": 1, "revision": 1, "finding": "glioma", "offered_at": null}', 10);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.4955332, 'submit', 'ann', 'revised', '{"annotation": 2, "revision": 1, "finding": "glioma", "offered_at": null}', 11);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.5181339, 'submit', 'ann', 'revised', '{"annotation": 3, "revision": 2, "finding": "glioma", "offered_at": null}', 12);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.5377405, 'submit', 'ann', 'revised', '{"annotation": 4, "revision": 3, "finding": "none", "offered_at": null}', 13);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.5628085, 'withdraw', 'reviewer', 'revised', '{"annotation": 4, "of": "ann"}', 14);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.6033068, 'submit', 'ann', 'disputed', '{"annotation": 5, "revision": 1, "finding": "glioma", "offered_at": null}', 15);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.63278, 'submit', 'bob', 'disputed', '{"annotation": 6, "revision": 1, "finding": "none", "offered_at": null}', 16);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.6405978, 'disagreement', NULL, 'disputed', '{"findings": {"ann": "glioma", "bob": "none"}}', 17);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.6619952, 'submit', 'ann', 'withdrawn', '{"annotation": 7, "revision": 1, "finding": "glioma", "offered_at": null}', 18);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.6791818, 'withdraw', 'ann', 'withdrawn', '{"annotation": 7, "of": "ann"}', 19);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.7145302, 'import', 'import', 'imported', '{"annotation": 8, "revision": 1, "finding": "glioma", "offered_at": null}', 20);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.7401178, 'submit', 'ann', 'excluded', '{"annotation": 9, "revision": 1, "finding": "glioma", "offered_at": null}', 21);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.7620802, 'submit', 'ann', 'deleted', '{"annotation": 10, "revision": 1, "finding": "glioma", "offered_at": null}', 22);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.7856302, 'submit', 'ann', 'replaced', '{"annotation": 11, "revision": 1, "finding": "glioma", "offered_at": null}', 23);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.8059058, 'exclude', 'ann', 'excluded', '{"reason": "wrong modality"}', 24);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.8305702, 'delete', 'reviewer', 'deleted', '{}', 25);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.8459873, 'pixels replaced', NULL, 'replaced', '{"annotations": [11]}', 26);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.8621442, 'train started', NULL, NULL, '{"job": 1}', 27);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.87737, 'train done', NULL, NULL, '{"job": 1, "message": null}', 28);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.8864138, 'score started', NULL, NULL, '{"job": 2}', 29);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.898734, 'score failed', NULL, NULL, '{"job": 2, "message": "out of memory"}', 30);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.9052887, 'setting', 'reviewer', NULL, '{"key": "alpha", "value": 0.25}', 31);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.9127665, 'setting', 'reviewer', NULL, '{"key": "nothing", "value": null}', 32);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.915803, 'opened', 'ann', NULL, '{"who": "ann \u00e4"}', 33);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.9666944, 'line_up', NULL, NULL, '{"images": 2}', 34);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.9781892, 'submit', 'ann', 'unscored', '{"annotation": 12, "revision": 1, "finding": "glioma", "offered_at": null}', 35);
INSERT INTO public.events VALUES ('pool', 'task', 1796073988.999866, 'submit', 'bob', 'unscored', '{"annotation": 13, "revision": 1, "finding": "glioma", "offered_at": null}', 36);
INSERT INTO public.events VALUES ('pool', 'task', 1796073989.0153277, 'doubt', NULL, 'unscored', '{"annotation": 12, "kind": "model"}', 37);
INSERT INTO public.events VALUES ('pool', 'task', 1796073989.027682, 'doubt', NULL, 'unscored', '{"annotation": 13, "kind": "far"}', 38);
INSERT INTO public.events VALUES ('pool', 'task', 1796073989.039639, 'accept', 'reviewer', 'unscored', '{"annotation": 13, "kind": "far"}', 39);
INSERT INTO public.events VALUES ('pool', 'task', 1796073989.05414, 'settle', 'reviewer', 'disputed', '{"finding": "none", "reason": "seen on the next slice"}', 40);
INSERT INTO public.events VALUES ('pool', 'task', 1796073989.073315, 'outline found', NULL, 'found', '{"series": "1.2.3"}', 41);
INSERT INTO public.events VALUES ('pool', 'task', 1796073989.1245005, 'revise', 'reviewer', 'settled', '{"annotation": 1, "of": "ann"}', 42);
INSERT INTO public.events VALUES ('pool', 'task', 1796073989.1303663, 'submit', 'reviewer', 'settled', '{"annotation": 14, "revision": 1, "finding": "glioma", "offered_at": null}', 43);
INSERT INTO public.events VALUES ('other pool', 'task', 1796073989.2274354, 'submit', 'carl', 'settled', '{"annotation": 15, "revision": 1, "finding": "glioma", "offered_at": null}', 44);
INSERT INTO public.given VALUES ('pool', 'task', 'bob', 'waiting/ä', 1, 1800000000);
INSERT INTO public.given VALUES ('pool', 'task', 'bob', 'withdrawn', 2, 1800000001);
INSERT INTO public.images VALUES ('pool', 'task', 'unreadable', 'unreadable.png', 3000000000, 1700000000123456789, 'unreadable', 'not an image: ü', NULL, NULL, '{}', NULL, NULL, NULL, false, NULL, false, false, NULL, false, 'unreadable', -1, 2147483647, -1, NULL, NULL, -1, NULL, NULL, 0, 7479530179305451646, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'unscored', 'unscored.png', 3000000000, 1700000000123456789, 'ok', NULL, NULL, NULL, '{}', NULL, NULL, 2, true, 'glioma', true, false, NULL, false, 'settled', -1, 2147483647, -1, NULL, NULL, -1, NULL, '12.1 13.1', 0, 8948934514690741505, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'revised', 'revised.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of revised', 'pixels of revised', '{}', NULL, NULL, 1, true, 'glioma', true, false, NULL, false, 'settled', 0.059375, 2147483647, 0.05, 0.0625, 'proposed', 0, 2, '3.2', 0, 2085353522591111409, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'withdrawn', 'withdrawn.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of withdrawn', 'pixels of withdrawn', '{}', NULL, NULL, NULL, false, NULL, false, false, NULL, true, 'waiting', 0.178125, 2147483647, 0.15, 0.1875, 'proposed', 0, 2, NULL, 2, 1451974505094474227, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'imported', 'imported.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of imported', 'pixels of imported', '{}', NULL, NULL, NULL, true, 'glioma', true, false, NULL, false, 'settled', 0.425, 2147483647, 0.2, NULL, 'none', 0.8, 2, '8.1', 0, 1045827279580076319, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'excluded', 'excluded.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of excluded', 'pixels of excluded', '{}', 'wrong modality', 'ann', 1, true, 'glioma', true, false, NULL, false, 'excluded', 0.296875, 2147483647, 0.25, 0.3125, 'proposed', 0, 2, '9.1', 0, 7862216321417671502, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'gone', 'gone.png', 3000000000, 1700000000123456789, 'gone', NULL, 'bytes of gone', 'pixels of gone', '{}', NULL, NULL, NULL, false, NULL, false, false, NULL, false, 'gone', 0.415625, 2147483647, 0.35, 0.4375, 'proposed', 0, 2, NULL, 2, 6747067839409607487, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'deleted', 'deleted.png', 3000000000, 1700000000123456789, 'deleted', NULL, 'bytes of deleted', 'pixels of deleted', '{}', NULL, NULL, 1, true, 'glioma', true, false, NULL, false, 'deleted', 0.475, 2147483647, 0.4, NULL, 'none', 0.6, 2, '10.1', 0, 6351491471969795657, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'replaced', 'replaced.png', 3000000000, 5, 'ok', NULL, NULL, 'other pixels', '{}', NULL, NULL, 1, true, NULL, true, true, NULL, false, 'review', 0.534375, 2147483647, 0.45, 0.5625, 'proposed', 0, 2, NULL, 0, 323476671158312735, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'waiting/ä', 'waiting/ä.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of waiting/ä', 'pixels of waiting/ä', '{}', NULL, NULL, NULL, false, NULL, false, false, NULL, true, 'waiting', 0.653125, 1, 0.55, 0.6875, 'proposed', 0, 2, NULL, 2, 8705024231329144303, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'disputed', 'disputed.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of disputed', 'pixels of disputed', '{}', NULL, NULL, 2, true, 'none', true, false, '{"finding": "none", "by": "reviewer", "at": 1796073989.0465772, "reason": "seen on the next slice"}', false, 'settled', 0.4, 2147483647, 0.1, NULL, 'none', 0.9, 2, '5.1', 0, 215522828326475570, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'found', 'found.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of found', 'pixels of found', '{}', NULL, NULL, NULL, false, NULL, false, false, NULL, true, 'waiting', 0.5, 0, 0.5, NULL, 'none', 0.5, 2, '1.2.3/1', 0, 6127581254197766992, 1796073988.1114867);
INSERT INTO public.images VALUES ('pool', 'task', 'settled', 'settled.png', 3000000000, 1700000000123456789, 'ok', NULL, 'bytes of settled', 'pixels of settled', '{"group": "patient 1", "note": "\u00e4", "nested": {"numbers": [1, 2.5, null]}}', NULL, NULL, 1, true, 'glioma', true, false, NULL, false, 'settled', 0.375, 2147483647, 0, NULL, 'none', 1, 2, '14.1', 0, 2625648858297759969, 1796073988.1114867);
INSERT INTO public.images VALUES ('other pool', 'task', 'settled', 'settled.png', 3000000000, 1700000000123456789, 'ok', NULL, NULL, NULL, '{}', NULL, NULL, 1, true, 'glioma', true, false, NULL, false, 'settled', -1, 2147483647, -1, NULL, NULL, -1, NULL, '15.1', 0, 8369450662698371969, 1796073989.1912315);
INSERT INTO public.jobs VALUES ('pool', 'task', 'train', 'done', 17209, 'host', 1796073985.76, '{"epochs": 3}', 1796073988.8603387, 1796073988.8677347, 1796073988.875439, '{"epoch": 2, "of": 3}', NULL, 1);
INSERT INTO public.jobs VALUES ('pool', 'task', 'score', 'failed', 17209, 'host', 1796073985.76, '{"epochs": 3}', 1796073988.885902, 1796073988.8919127, 1796073988.8973596, '{"epoch": 2, "of": 3}', 'out of memory', 2);
INSERT INTO public.leases VALUES ('pool', 'task', 'waiting/ä', 'bob', 1800003600);
INSERT INTO public.leases VALUES ('pool', 'task', 'withdrawn', 'bob', 1800007201);
INSERT INTO public.outlines VALUES ('pool', 'task', 'found', '1.2.3/1', '1.2.3', 'found/1.nii.gz', 12, 'pixels of found', 1800000000);
INSERT INTO public.readers VALUES ('pool', 'task', 'ann', 1796073988.4401937);
INSERT INTO public.readers VALUES ('pool', 'task', 'bob', 1796073988.6244931);
INSERT INTO public.readers VALUES ('pool', 'task', 'reviewer', 1796073989.1191456);
INSERT INTO public.readers VALUES ('other pool', 'task', 'carl', 1796073989.2048092);
INSERT INTO public.readings VALUES ('pool', 'task', 'settled', 2, 'pixels of settled', NULL, 'none', '{"glioma": 0.125, "none": 0.875}', 0, NULL, NULL, NULL, 'none', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06020000c4321b6d', NULL, NULL, NULL, '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e0606061b060700f70a1bd4', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'revised', 2, 'pixels of revised', NULL, 'glioma', '{"glioma": 0.75, "none": 0.25}', 0.05, 0.0625, 0.5, 0.25, 'proposed', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06862b5257e4e415af28b9a8c8abfe54bda2b64edd4563a386bc668fe64fcd342d006d542610', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a2640a4a9a350ab401ee062b0a10c02002f79230b', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e061b0607062700f8441c16', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'disputed', 2, 'pixels of disputed', NULL, 'none', '{"glioma": 0.125, "none": 0.875}', 0.1, NULL, NULL, NULL, 'none', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06862b725794e455afa8b968c86bfed4bca2b54edb4567a38ebc6e8fee4fdd343d0070d8264c', NULL, NULL, NULL, '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e06070627061700f8601c1e', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'withdrawn', 2, 'pixels of withdrawn', NULL, 'glioma', '{"glioma": 0.75, "none": 0.25}', 0.15, 0.1875, 0.5, 0.25, 'proposed', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e0606794579d575eaf29a695aebb4ab75e4750feba6e971e9afd3d734a836386b00003ec62405', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a2640a4a9a350ab401ee06270a20c0200477923cb', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e06270617065700f8711c23', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'imported', 2, 'pixels of imported', NULL, 'none', '{"glioma": 0.125, "none": 0.875}', 0.2, NULL, NULL, NULL, 'none', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06862b4a57d4e435af68b9e8c8ebfed4bda2b74edfc560a381bc618fe14fc3342300745c2688', NULL, NULL, NULL, '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e06170657063700f87f1c27', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'excluded', 2, 'pixels of excluded', NULL, 'glioma', '{"glioma": 0.75, "none": 0.25}', 0.25, 0.3125, 0.5, 0.25, 'proposed', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06061715178d342d179d50dd34bd727d1783b306a186f70cd38cde1b951b33980000499a249a', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a2640a4a9a350ab401ee06270a50c02005379242b', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e06570637067700f8881c2a', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'gone', 2, 'pixels of gone', NULL, 'glioma', '{"glioma": 0.75, "none": 0.25}', 0.35, 0.4375, 0.5, 0.25, 'proposed', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06869faa3f35ab757eea96eb571b5819fe34dc61546e2c6d526d72cbc4ca749629008bf6273e', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a2640a4a9a350ab401ee06270a70c02005b79246b', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e0677068f060f00f9991caf', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'deleted', 2, 'pixels of deleted', NULL, 'none', '{"glioma": 0.125, "none": 0.875}', 0.4, NULL, NULL, NULL, 'none', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06862b6a57b4e475afe8b918c81bfe34bc62b4ced8c564a389bc698fe94fd334330077e026c4', NULL, NULL, NULL, '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e068f060f064f00fa9f1cb1', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'replaced', 2, 'pixels of replaced', NULL, 'glioma', '{"glioma": 0.75, "none": 0.25}', 0.45, 0.5625, 0.5, 0.25, 'proposed', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e068675eaebb40febaed33f6b70d87087d13ae32093b3261ea6874d6dcd7698199b03008db4276b', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a2640a4a9a350ab401ee06af0a00c02006f97348b', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a1400ae060f06cf064f00fca21d32', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'found', 2, 'pixels of found', NULL, 'none', '{"glioma": 0.125, "none": 0.875}', 0.5, NULL, NULL, NULL, 'none', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e0606170d179d343d178350c334a372631793b326a1a6f74cd3ccde9b959b335800004d1e24d6', NULL, NULL, NULL, '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a14002e06cf064f062f00faa81cb4', 1796073988.415876);
INSERT INTO public.readings VALUES ('pool', 'task', 'waiting/ä', 2, 'pixels of waiting/ä', NULL, 'glioma', '{"glioma": 0.75, "none": 0.25}', 0.55, 0.6875, 0.5, 0.25, 'proposed', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e06868d1a1b75b8f4371adc33e4329636d968e2617acfb4c48ccb7c81b9b4459a050061a42500', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a463a0a2640a4a9a350ab401ee06af0a40c0200739734ab', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a263a0a269a3a0ab50a64032e061b0618c0ca0200d3321c5d', '\x78019bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a4aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91ac63a9a3a0ab50a1400ae064f06af062f00fcab1d35', 1796073988.415876);
INSERT INTO public.settings VALUES ('pool', 'task', 'alpha', '0.25');
INSERT INTO public.settings VALUES ('pool', 'task', 'nothing', NULL);
INSERT INTO public.settings VALUES ('pool', 'task', 'looked_at', '13');
INSERT INTO public.tallies VALUES ('pool', 'task', 'unreadable', false, false, false, '', 1);
INSERT INTO public.tallies VALUES ('pool', 'task', 'ok', false, true, true, 'glioma', 1);
INSERT INTO public.tallies VALUES ('pool', 'task', 'gone', false, false, false, '', 1);
INSERT INTO public.tallies VALUES ('pool', 'task', 'deleted', false, true, false, 'glioma', 1);
INSERT INTO public.tallies VALUES ('pool', 'task', 'ok', true, false, false, '', 3);
INSERT INTO public.tallies VALUES ('pool', 'task', 'ok', false, true, false, 'glioma', 4);
INSERT INTO public.tallies VALUES ('pool', 'task', 'ok', true, true, false, '', 0);
INSERT INTO public.tallies VALUES ('pool', 'task', 'ok', false, true, false, 'none', 1);
INSERT INTO public.tallies VALUES ('pool', 'task', 'ok', false, true, false, '', 1);
INSERT INTO public.tallies VALUES ('other pool', 'task', 'ok', false, true, false, 'glioma', 1);
INSERT INTO public.tallies VALUES ('other pool', 'task', 'ok', true, false, false, '', 0);
INSERT INTO public.validations VALUES ('pool', 'task', 1, '["settled", "revised"]', 1796073988.34259);
INSERT INTO public.validations VALUES ('pool', 'task', 2, '["settled"]', 1796073988.4050713);
INSERT INTO public.versions VALUES ('pool', 'task', 1, 'published', false, 'models/v1', 'one', '{"auroc": 0.7}', '{}', '{}', NULL, 1, 1796073988.3503802, 1796073988.377257);
INSERT INTO public.versions VALUES ('pool', 'task', 2, 'published', true, 'models/v2', 'two', '{}', '{}', '{"epochs": 3}', 1, 1, 1796073988.3613982, 1796073988.3863118);
INSERT INTO public.versions VALUES ('pool', 'task', 3, 'refused', false, NULL, NULL, '{}', '{"published": false, "reason": "worse"}', '{}', NULL, NULL, 1796073988.3641944, NULL);
INSERT INTO public.xal_schema VALUES (6);
SELECT pg_catalog.setval('public.annotations_id_seq', 15, true);
SELECT pg_catalog.setval('public.events_id_seq', 44, true);
SELECT pg_catalog.setval('public.jobs_id_seq', 2, true);
SELECT pg_catalog.setval('public.xal_schema_version_seq', 1, false);
ALTER TABLE ONLY public.annotations
    ADD CONSTRAINT annotations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.annotations
    ADD CONSTRAINT annotations_pool_task_image_reader_revision_key UNIQUE (pool, task, image, reader, revision);
ALTER TABLE ONLY public.arrivals
    ADD CONSTRAINT arrivals_pkey PRIMARY KEY (pool, task, series);
ALTER TABLE ONLY public.comparisons
    ADD CONSTRAINT comparisons_pkey PRIMARY KEY (pool, task, one, other);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (pool, task, annotation);
ALTER TABLE ONLY public.doubts
    ADD CONSTRAINT doubts_pkey PRIMARY KEY (pool, task, annotation, kind);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.given
    ADD CONSTRAINT given_pkey PRIMARY KEY (pool, task, reader, image);
ALTER TABLE ONLY public.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (pool, task, id);
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (pool, task, image);
ALTER TABLE ONLY public.outlines
    ADD CONSTRAINT outlines_pkey PRIMARY KEY (pool, task, image, origin);
ALTER TABLE ONLY public.readers
    ADD CONSTRAINT readers_pkey PRIMARY KEY (pool, task, reader);
ALTER TABLE ONLY public.readings
    ADD CONSTRAINT readings_pkey PRIMARY KEY (pool, task, image);
ALTER TABLE ONLY public.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (pool, task, key);
ALTER TABLE ONLY public.tallies
    ADD CONSTRAINT tallies_pkey PRIMARY KEY (pool, task, state, open, labelled, excluded, finding);
ALTER TABLE ONLY public.validations
    ADD CONSTRAINT validations_pkey PRIMARY KEY (pool, task, validation);
ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_pkey PRIMARY KEY (pool, task, version);
ALTER TABLE ONLY public.xal_schema
    ADD CONSTRAINT xal_schema_pkey PRIMARY KEY (version);
CREATE INDEX annotations_by_finding ON public.annotations USING btree (pool, task, finding, id);
CREATE INDEX annotations_by_reader ON public.annotations USING btree (pool, task, reader, id);
CREATE INDEX annotations_by_submission ON public.annotations USING btree (pool, task, submission_id);
CREATE INDEX annotations_damaged ON public.annotations USING btree (pool, task, id) WHERE (file_problem IS NOT NULL);
CREATE INDEX annotations_in_order ON public.annotations USING btree (pool, task, id);
CREATE INDEX deliveries_by_state ON public.deliveries USING btree (pool, task, state, next_try);
CREATE INDEX doubts_open ON public.doubts USING btree (pool, task, accepted_at, annotation);
CREATE INDEX events_in_order ON public.events USING btree (pool, task, id);
CREATE INDEX given_by_turn ON public.given USING btree (pool, task, reader, turn);
CREATE INDEX images_by_fingerprint ON public.images USING btree (pool, task, fingerprint, id);
CREATE INDEX images_by_freshness ON public.images USING btree (pool, task, open, fresh, id);
CREATE INDEX images_by_label ON public.images USING btree (pool, task, labelled, id);
CREATE INDEX images_by_score ON public.images USING btree (pool, task, open, place, score DESC, shuffle);
CREATE INDEX images_by_shuffle ON public.images USING btree (pool, task, open, shuffle);
CREATE INDEX images_by_source ON public.images USING btree (pool, task, open, roi_source, place, score DESC, shuffle);
CREATE INDEX images_by_status ON public.images USING btree (pool, task, status, id);
CREATE INDEX images_by_telling ON public.images USING btree (pool, task, open, telling DESC, shuffle);
CREATE INDEX images_by_uncertainty ON public.images USING btree (pool, task, open, uncertainty DESC, shuffle);
CREATE INDEX images_by_version ON public.images USING btree (pool, task, open, version, misalignment);
CREATE INDEX jobs_by_state ON public.jobs USING btree (pool, task, state, kind);
CREATE INDEX leases_by_end ON public.leases USING btree (pool, task, until);
CREATE INDEX outlines_by_series ON public.outlines USING btree (pool, task, series);
ALTER TABLE ONLY public.annotations
    ADD CONSTRAINT annotations_pool_task_image_fkey FOREIGN KEY (pool, task, image) REFERENCES public.images(pool, task, id);
ALTER TABLE ONLY public.comparisons
    ADD CONSTRAINT comparisons_pool_task_image_fkey FOREIGN KEY (pool, task, image) REFERENCES public.images(pool, task, id);
ALTER TABLE ONLY public.doubts
    ADD CONSTRAINT doubts_pool_task_image_fkey FOREIGN KEY (pool, task, image) REFERENCES public.images(pool, task, id);
ALTER TABLE ONLY public.given
    ADD CONSTRAINT given_pool_task_image_fkey FOREIGN KEY (pool, task, image) REFERENCES public.images(pool, task, id);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pool_task_image_fkey FOREIGN KEY (pool, task, image) REFERENCES public.images(pool, task, id);
ALTER TABLE ONLY public.outlines
    ADD CONSTRAINT outlines_pool_task_image_fkey FOREIGN KEY (pool, task, image) REFERENCES public.images(pool, task, id);
ALTER TABLE ONLY public.readings
    ADD CONSTRAINT readings_pool_task_image_fkey FOREIGN KEY (pool, task, image) REFERENCES public.images(pool, task, id);
