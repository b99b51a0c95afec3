-- The whole append as one call: several appends (a batch) of one writer, or none of them.
--
-- p_bodies and p_leaf_hashes are all bodies and all hashes, end to end. p_batch says the rest as lists of lists:
--   events  [stream, version, event_id, type, offset of the body from 1, its length]
--   tiles   [level, index, root in hex]: the tiles that these events fill
--   checks  [append, stream, version it must have]         append: the number in the batch, to name it in a conflict
--   keys    [append, scope, key, HMAC of the body in hex, answer, first position, last position]
--   steps   [append, source, position it must have, position it gets]
-- An empty list is left out. p_rows is what to write in the read models, for <service>_read.write_rows.
--
-- p_base is the compact range that the batch was numbered on. Its size alone names no head: a writer that guesses what
-- the batch before will leave may guess the size and not the events.
--
-- It locks the head, compares everything that must still hold, and only then writes. Nothing expected is an exception:
-- `problem` says what did not hold, and nothing is written:
--   moved      the head is another than p_base: take the one returned, number again
--   models     the read models are of another version than p_models, or not folded to the head
--   conflicts  `detail` lists the appends with a repeated key, a wrong version, a step not due
CREATE FUNCTION {service}.append(
    p_size bigint, p_base bytea, p_models text, p_recorded_at timestamptz, p_range bytea,
    p_bodies bytea, p_leaf_hashes bytea, p_batch jsonb, p_rows jsonb,
    OUT problem text, OUT size bigint, OUT range bytea, OUT recorded_at timestamptz, OUT detail jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    events constant jsonb := p_batch -> 'events';
    checks constant jsonb := p_batch -> 'checks';
    keys constant jsonb := p_batch -> 'keys';
    steps constant jsonb := p_batch -> 'steps';
    models record;
    failed jsonb;
    tile record;
BEGIN
    SELECT h.size, h.range, h.recorded_at INTO size, range, recorded_at FROM {service}.head h FOR UPDATE;
    IF range <> p_base THEN
        problem := 'moved';
        RETURN;
    END IF;

    SELECT s.version, s.position INTO models FROM {service}.read_model_state s WHERE s.schema_name = '{service}_read';
    IF models.version IS DISTINCT FROM p_models OR models.position <> size THEN
        problem := 'models';
        detail := jsonb_build_object('version', models.version, 'position', models.position);
        RETURN;
    END IF;

    IF keys IS NOT NULL THEN
        SELECT jsonb_agg(jsonb_build_object('append', k -> 0, 'kind', 'key', 'answer', i.answer,
                                            'same', encode(i.body_hmac, 'hex') = k ->> 3,
                                            'first', i.first_position, 'last', i.last_position))
        INTO detail
        FROM jsonb_array_elements(keys) AS k,
             LATERAL (SELECT * FROM {service}.idempotency i WHERE i.scope = k ->> 1 AND i.key = k ->> 2 LIMIT 1) AS i;
    END IF;
    IF checks IS NOT NULL THEN
        SELECT jsonb_agg(jsonb_build_object('append', c.check -> 0, 'kind', 'version', 'stream', c.check -> 1,
                                            'expected', c.check -> 2, 'actual', c.actual))
        INTO failed
        FROM (SELECT k AS check, coalesce((SELECT e.version FROM {service}.events e WHERE e.stream = k ->> 1
                                           ORDER BY e.version DESC LIMIT 1), 0) AS actual
              FROM jsonb_array_elements(checks) AS k) AS c
        WHERE c.actual <> (c.check ->> 2)::integer;
        detail := coalesce(detail || failed, detail, failed);
    END IF;
    IF steps IS NOT NULL THEN
        SELECT jsonb_agg(jsonb_build_object('append', s.step -> 0, 'kind', 'step', 'source', s.step -> 1,
                                            'expected', s.step -> 2, 'actual', s.actual))
        INTO failed
        FROM (SELECT k AS step,
                     coalesce((SELECT h.position FROM {service}.heard h WHERE h.source = k ->> 1), 0) AS actual
              FROM jsonb_array_elements(steps) AS k) AS s
        WHERE s.actual <> (s.step ->> 2)::bigint;
        detail := coalesce(detail || failed, detail, failed);
    END IF;
    IF detail IS NOT NULL THEN
        problem := 'conflicts';
        RETURN;
    END IF;

    IF events IS NOT NULL THEN
        INSERT INTO {service}.events (position, stream, version, event_id, type, recorded_at, body, leaf_hash)
        SELECT p_size + n, e ->> 0, (e ->> 1)::integer, (e ->> 2)::uuid, e ->> 3, p_recorded_at,
               substring(p_bodies FROM (e ->> 4)::integer FOR (e ->> 5)::integer),
               substring(p_leaf_hashes FROM n::integer * 32 - 31 FOR 32)
        FROM jsonb_array_elements(events) WITH ORDINALITY AS t (e, n);
        size := p_size + jsonb_array_length(events);
        range := p_range;
        recorded_at := p_recorded_at;
        UPDATE {service}.head h SET size = append.size, range = append.range, recorded_at = append.recorded_at;
        IF p_models IS NOT NULL THEN
            -- The tables themselves follow below, or later in this transaction.
            UPDATE {service}.read_model_state s SET position = append.size WHERE s.schema_name = '{service}_read';
        END IF;
    END IF;
    IF p_batch ? 'tiles' THEN
        FOR tile IN
            SELECT (t ->> 0)::integer AS level, (t ->> 1)::bigint AS index, decode(t ->> 2, 'hex') AS root
            FROM jsonb_array_elements(p_batch -> 'tiles') WITH ORDINALITY AS f (t, n) ORDER BY n
        LOOP
            INSERT INTO {service}.tiles (level, index, hashes, root)
            SELECT tile.level, tile.index, CASE tile.level WHEN 0 THEN
                    (SELECT string_agg(e.leaf_hash, ''::bytea ORDER BY e.position) FROM {service}.events e
                     WHERE e.position > tile.index * 256 AND e.position <= (tile.index + 1) * 256)
                ELSE
                    (SELECT string_agg(t.root, ''::bytea ORDER BY t.index) FROM {service}.tiles t
                     WHERE t.level = tile.level - 1
                       AND t.index >= tile.index * 256 AND t.index < (tile.index + 1) * 256)
                END, tile.root;
        END LOOP;
    END IF;
    IF keys IS NOT NULL THEN
        INSERT INTO {service}.idempotency (scope, key, body_hmac, answer, first_position, last_position)
        SELECT k ->> 1, k ->> 2, decode(k ->> 3, 'hex'), k -> 4, (k ->> 5)::bigint, (k ->> 6)::bigint
        FROM jsonb_array_elements(keys) AS k;
    END IF;
    IF steps IS NOT NULL THEN
        INSERT INTO {service}.heard AS h (source, position)
        SELECT s ->> 1, (s ->> 3)::bigint FROM jsonb_array_elements(steps) AS s
        ON CONFLICT (source) DO UPDATE SET position = excluded.position;
    END IF;
    IF p_rows IS NOT NULL THEN
        PERFORM {service}_read.write_rows(p_rows);
    END IF;
END
$$;

REVOKE ALL ON FUNCTION {service}.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {service}.append TO {service}_app;
