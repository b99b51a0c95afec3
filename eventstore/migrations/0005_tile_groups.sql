-- The hashes of a tile are sixteen groups of sixteen; the root over each group (RFC 6962) lies beside them. A proof
-- then takes two parts of 512 bytes of a tile and hashes thirty times, not 8 KB and 255 times, however long the log is.
CREATE FUNCTION {service}.group_roots(hashes bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOR height IN 1..4 LOOP
        hashes := (
            SELECT string_agg(sha256('\x01'::bytea || substring(hashes FROM n * 64 + 1 FOR 64)), ''::bytea ORDER BY n)
            FROM generate_series(0, octet_length(hashes) / 64 - 1) AS n
        );
    END LOOP;
    RETURN hashes;
END
$$;
ALTER FUNCTION {service}.group_roots OWNER TO {service}_owner;
REVOKE ALL ON FUNCTION {service}.group_roots FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {service}.group_roots TO {service}_app;

-- PostgreSQL computes it: no writer can leave it out or put in something else.
ALTER TABLE {service}.tiles ADD COLUMN group_roots bytea NOT NULL
    GENERATED ALWAYS AS ({service}.group_roots(hashes)) STORED;
