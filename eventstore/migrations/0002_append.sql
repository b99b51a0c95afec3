-- The whole append as one call: several appends (a batch) of one writer, or none of them.
--
-- It locks the head, compares everything that must still hold, and only then writes. Nothing expected is an exception:
-- `problem` says what did not hold, and nothing is written:
--   moved      the head is another than p_size: take the one returned, number again
--   models     the read models are of another version than p_models, or not folded to the head
--   conflicts  `detail` lists the appends, by number in the batch, with a repeated key, a wrong version, a step not due
CREATE FUNCTION {service}.append(
    p_size bigint, p_models text, p_recorded_at timestamptz, p_range bytea,
    p_streams text[], p_versions integer[], p_event_ids uuid[], p_types text[], p_bodies bytea[], p_leaf_hashes bytea[],
    p_tile_levels integer[], p_tile_indexes bigint[], p_tile_roots bytea[],
    p_check_appends integer[], p_check_streams text[], p_check_versions integer[],
    p_key_appends integer[], p_scopes text[], p_keys text[], p_body_hmacs bytea[], p_answers text[],
    p_first_positions bigint[], p_last_positions bigint[],
    p_step_appends integer[], p_sources text[], p_step_expected bigint[], p_step_positions bigint[],
    OUT problem text, OUT size bigint, OUT range bytea, OUT recorded_at timestamptz, OUT detail jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    events integer := cardinality(p_streams);
    models record;
    failed jsonb;
    tile record;
BEGIN
    SELECT h.size, h.range, h.recorded_at INTO size, range, recorded_at FROM {service}.head h FOR UPDATE;
    IF size <> p_size THEN
        problem := 'moved';
        RETURN;
    END IF;

    SELECT s.version, s.position INTO models FROM {service}.read_model_state s WHERE s.schema_name = '{service}_read';
    IF models.version IS DISTINCT FROM p_models OR models.position <> size THEN
        problem := 'models';
        detail := jsonb_build_object('version', models.version, 'position', models.position);
        RETURN;
    END IF;

    IF cardinality(p_keys) > 0 THEN
        SELECT jsonb_agg(jsonb_build_object('append', k.append, 'kind', 'key', 'same', i.body_hmac = k.body_hmac,
                                            'answer', i.answer, 'first', i.first_position, 'last', i.last_position))
        INTO failed
        FROM unnest(p_key_appends, p_scopes, p_keys, p_body_hmacs) AS k (append, scope, key, body_hmac)
        JOIN {service}.idempotency i ON i.scope = k.scope AND i.key = k.key;
        detail := failed;
    END IF;
    IF cardinality(p_check_streams) > 0 THEN
        SELECT jsonb_agg(jsonb_build_object('append', c.append, 'kind', 'version', 'stream', c.stream,
                                            'expected', c.expected, 'actual', c.actual))
        INTO failed
        FROM (SELECT c.*, coalesce((SELECT e.version FROM {service}.events e WHERE e.stream = c.stream
                                    ORDER BY e.version DESC LIMIT 1), 0) AS actual
              FROM unnest(p_check_appends, p_check_streams, p_check_versions) AS c (append, stream, expected)) AS c
        WHERE c.actual <> c.expected;
        detail := coalesce(detail || failed, detail, failed);
    END IF;
    IF cardinality(p_sources) > 0 THEN
        SELECT jsonb_agg(jsonb_build_object('append', s.append, 'kind', 'step', 'source', s.source,
                                            'expected', s.expected, 'actual', s.actual))
        INTO failed
        FROM (SELECT s.*, coalesce((SELECT h.position FROM {service}.heard h WHERE h.source = s.source), 0) AS actual
              FROM unnest(p_step_appends, p_sources, p_step_expected) AS s (append, source, expected)) AS s
        WHERE s.actual <> s.expected;
        detail := coalesce(detail || failed, detail, failed);
    END IF;
    IF detail IS NOT NULL THEN
        problem := 'conflicts';
        RETURN;
    END IF;

    IF events > 0 THEN
        INSERT INTO {service}.events (position, stream, version, event_id, type, recorded_at, body, leaf_hash)
        SELECT p_size + e.number, e.stream, e.version, e.event_id, e.type, p_recorded_at, e.body, e.leaf_hash
        FROM unnest(p_streams, p_versions, p_event_ids, p_types, p_bodies, p_leaf_hashes)
            WITH ORDINALITY AS e (stream, version, event_id, type, body, leaf_hash, number);
        size := p_size + events;
        range := p_range;
        recorded_at := p_recorded_at;
        UPDATE {service}.head h SET size = append.size, range = append.range, recorded_at = append.recorded_at;
        FOR tile IN SELECT * FROM unnest(p_tile_levels, p_tile_indexes, p_tile_roots) AS t (level, index, root) LOOP
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
        IF p_models IS NOT NULL THEN
            -- The tables themselves follow in this transaction.
            UPDATE {service}.read_model_state s SET position = append.size WHERE s.schema_name = '{service}_read';
        END IF;
    END IF;
    IF cardinality(p_keys) > 0 THEN
        INSERT INTO {service}.idempotency (scope, key, body_hmac, answer, first_position, last_position)
        SELECT k.scope, k.key, k.body_hmac, k.answer::jsonb, k.first_position, k.last_position
        FROM unnest(p_scopes, p_keys, p_body_hmacs, p_answers, p_first_positions, p_last_positions)
            AS k (scope, key, body_hmac, answer, first_position, last_position);
    END IF;
    IF cardinality(p_sources) > 0 THEN
        INSERT INTO {service}.heard AS h (source, position)
        SELECT s.source, s.position FROM unnest(p_sources, p_step_positions) AS s (source, position)
        ON CONFLICT (source) DO UPDATE SET position = excluded.position;
    END IF;
END
$$;

REVOKE ALL ON FUNCTION {service}.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {service}.append TO {service}_app;
