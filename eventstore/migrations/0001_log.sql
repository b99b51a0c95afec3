-- The log of one service: its events, the head of their Merkle tree, and what commits together with them.

-- Overlap of one person's times without btree_gist: a range of one uuid is a uuid that GiST can compare.
CREATE TYPE {service}.uuidrange AS RANGE (subtype = uuid);

CREATE TABLE {service}.events (
    position    bigint      PRIMARY KEY CHECK (position > 0),
    stream      text        COLLATE "C" NOT NULL,
    version     integer     NOT NULL CHECK (version > 0),
    event_id    uuid        NOT NULL UNIQUE,
    type        text        COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    body        bytea       NOT NULL CHECK (octet_length(body) <= 65535),
    leaf_hash   bytea       NOT NULL,
    UNIQUE (stream, version)
);

-- One row: the log's size, the compact range of its tree (u64be size, then the peaks), its last recording time.
-- Locking this row is what orders all appends of all processes.
CREATE TABLE {service}.head (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    size        bigint      NOT NULL CHECK (size >= 0),
    range       bytea       NOT NULL,
    recorded_at timestamptz
) WITH (fillfactor = 10);
INSERT INTO {service}.head (size, range) VALUES (0, '\x0000000000000000');

-- Full tiles of 256 hashes (C2SP tlog-tiles), with the root over each.
CREATE TABLE {service}.tiles (
    level  integer NOT NULL CHECK (level >= 0),
    index  bigint  NOT NULL CHECK (index >= 0),
    hashes bytea   STORAGE EXTERNAL NOT NULL CHECK (octet_length(hashes) = 8192),
    root   bytea   NOT NULL CHECK (octet_length(root) = 32),
    PRIMARY KEY (level, index)
);

-- First answers of repeated requests. Outside the log; rows are deleted when they expire.
CREATE TABLE {service}.idempotency (
    scope          text        COLLATE "C" NOT NULL,
    key            text        COLLATE "C" NOT NULL,
    body_hmac      bytea       NOT NULL,
    answer         jsonb       NOT NULL,
    first_position bigint      NOT NULL,
    last_position  bigint      NOT NULL,
    kept_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_kept_at ON {service}.idempotency (kept_at);

-- How far other services' logs are heard: the consumers' checkpoints.
CREATE TABLE {service}.heard (
    source   text   COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0)
) WITH (fillfactor = 50);

-- Events heard that could not be handled. `blocks`: the source waits until the row is retried or dismissed.
CREATE TABLE {service}.dead_letters (
    source     text        COLLATE "C" NOT NULL,
    position   bigint      NOT NULL,
    handler    text        COLLATE "C" NOT NULL,
    event_id   uuid,
    error      text        NOT NULL,
    body       bytea       NOT NULL,
    blocks     boolean     NOT NULL,
    state      text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retried', 'dismissed')),
    attempts   integer     NOT NULL DEFAULT 1,
    first_at   timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, position, handler)
);

-- The durables on this service's stream and how far they are acknowledged: to make them again after NATS lost them.
CREATE TABLE {service}.relay_durables (
    durable     text        COLLATE "C" PRIMARY KEY,
    config      jsonb       NOT NULL,
    ack_floor   bigint      NOT NULL CHECK (ack_floor >= 0),
    recorded_at timestamptz NOT NULL DEFAULT now()
);

-- Which version of the code the tables of a read-model schema are of, and the position they are folded to.
CREATE TABLE {service}.read_model_state (
    schema_name text   COLLATE "C" PRIMARY KEY,
    version     text   NOT NULL,
    position    bigint NOT NULL CHECK (position >= 0)
) WITH (fillfactor = 50);

CREATE FUNCTION {service}.refuse() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Whoever inserts events, by whatever statement, continues the log: positions after the head, versions after the
-- stream's last, times not before the last, leaf hashes of the very bodies. Who inserts without the head's lock meets
-- the primary key.
CREATE FUNCTION {service}.events_continue() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    batch record;
BEGIN
    SELECT h.size, h.recorded_at, count(*) AS events, min(n.position) AS first, max(n.position) AS last,
           min(n.recorded_at) AS earliest, bool_and(n.leaf_hash = sha256('\x00'::bytea || n.body)) AS hashed,
           bool_and(n.version = 1 OR (
               SELECT true FROM {service}.events e WHERE e.stream = n.stream AND e.version = n.version - 1) IS NOT NULL)
               AS continued
    INTO batch FROM {service}.head h, inserted n GROUP BY h.one;
    IF NOT FOUND THEN
        RETURN NULL; -- no rows were inserted
    END IF;
    IF batch.first <> batch.size + 1 OR batch.last <> batch.size + batch.events THEN
        RAISE EXCEPTION 'positions %..% do not continue %.events at %',
            batch.first, batch.last, TG_TABLE_SCHEMA, batch.size
            USING ERRCODE = 'check_violation', CONSTRAINT = 'events_continue';
    END IF;
    IF NOT batch.hashed THEN
        RAISE EXCEPTION 'a leaf_hash is not sha256(0x00 || body)'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'events_continue';
    END IF;
    IF NOT batch.continued THEN
        RAISE EXCEPTION 'a version does not continue its stream'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'events_continue';
    END IF;
    IF batch.earliest < batch.recorded_at THEN
        RAISE EXCEPTION 'recording time % is before %', batch.earliest, batch.recorded_at
            USING ERRCODE = 'check_violation', CONSTRAINT = 'events_continue';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION {service}.head_continues() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.size < OLD.size OR NEW.recorded_at < OLD.recorded_at
       OR NEW.size <> coalesce((SELECT e.position FROM {service}.events e ORDER BY e.position DESC LIMIT 1), 0) THEN
        RAISE EXCEPTION 'the head of % cannot be set from % to %', TG_TABLE_SCHEMA, OLD.size, NEW.size
            USING ERRCODE = 'check_violation', CONSTRAINT = 'head_continues';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {service}.events
    FOR EACH ROW EXECUTE FUNCTION {service}.refuse();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {service}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {service}.refuse();
CREATE TRIGGER continue AFTER INSERT ON {service}.events REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION {service}.events_continue();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {service}.tiles
    FOR EACH ROW EXECUTE FUNCTION {service}.refuse();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {service}.tiles
    FOR EACH STATEMENT EXECUTE FUNCTION {service}.refuse();
CREATE TRIGGER continues BEFORE UPDATE ON {service}.head
    FOR EACH ROW EXECUTE FUNCTION {service}.head_continues();
CREATE TRIGGER refuse_change BEFORE INSERT OR DELETE ON {service}.head
    FOR EACH ROW EXECUTE FUNCTION {service}.refuse();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {service}.head
    FOR EACH STATEMENT EXECUTE FUNCTION {service}.refuse();
ALTER TABLE {service}.events ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE {service}.events ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE {service}.events ENABLE ALWAYS TRIGGER continue;
ALTER TABLE {service}.tiles ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE {service}.tiles ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE {service}.head ENABLE ALWAYS TRIGGER continues;
ALTER TABLE {service}.head ENABLE ALWAYS TRIGGER refuse_change;
ALTER TABLE {service}.head ENABLE ALWAYS TRIGGER refuse_truncate;

-- A time names a position, because recording times never decrease: the last position recorded at or before it.
CREATE FUNCTION {service}.position_at(moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    low bigint := 0;
    high bigint := (SELECT h.size FROM {service}.head h);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT e.recorded_at FROM {service}.events e WHERE e.position = middle) <= moment THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;

ALTER TYPE {service}.uuidrange OWNER TO {service}_owner;
ALTER TABLE {service}.events OWNER TO {service}_owner;
ALTER TABLE {service}.head OWNER TO {service}_owner;
ALTER TABLE {service}.tiles OWNER TO {service}_owner;
ALTER TABLE {service}.idempotency OWNER TO {service}_owner;
ALTER TABLE {service}.heard OWNER TO {service}_owner;
ALTER TABLE {service}.dead_letters OWNER TO {service}_owner;
ALTER TABLE {service}.relay_durables OWNER TO {service}_owner;
ALTER TABLE {service}.read_model_state OWNER TO {service}_owner;
INSERT INTO eventstore_guard.guarded (relation)
VALUES ('{service}.events'::regclass), ('{service}.head'::regclass), ('{service}.tiles'::regclass);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {service} FROM PUBLIC;
REVOKE ALL ON TYPE {service}.uuidrange FROM PUBLIC;
GRANT USAGE ON SCHEMA {service} TO {service}_app, {service}_migrator, {service}_auditor;
GRANT USAGE ON TYPE {service}.uuidrange TO {service}_app, {service}_migrator, {service}_auditor;
GRANT EXECUTE ON FUNCTION {service}.position_at TO {service}_app, {service}_migrator, {service}_auditor;
-- The range's constructor functions belong to the type and were taken from PUBLIC with the others above.
GRANT EXECUTE ON FUNCTION {service}.uuidrange(uuid, uuid), {service}.uuidrange(uuid, uuid, text)
    TO {service}_app, {service}_migrator, {service}_auditor;

GRANT SELECT ON ALL TABLES IN SCHEMA {service} TO {service}_app, {service}_migrator;
GRANT SELECT ON {service}.events, {service}.head, {service}.tiles, {service}.heard, {service}.dead_letters,
    {service}.read_model_state TO {service}_auditor;
GRANT INSERT (position, stream, version, event_id, type, recorded_at, body, leaf_hash) ON {service}.events
    TO {service}_app;
GRANT UPDATE (size, range, recorded_at) ON {service}.head TO {service}_app;
GRANT INSERT (level, index, hashes, root) ON {service}.tiles TO {service}_app;
GRANT INSERT, DELETE ON {service}.idempotency TO {service}_app;
GRANT INSERT, UPDATE ON {service}.heard TO {service}_app;
GRANT INSERT, UPDATE ON {service}.dead_letters TO {service}_app;
GRANT INSERT, UPDATE, DELETE ON {service}.relay_durables TO {service}_app;
GRANT UPDATE (position) ON {service}.read_model_state TO {service}_app;
-- The migrator rebuilds read models. It may lock the head (which takes some UPDATE right) but set nothing in it.
GRANT UPDATE (one) ON {service}.head TO {service}_migrator;
GRANT INSERT, UPDATE, DELETE ON {service}.read_model_state TO {service}_migrator;
