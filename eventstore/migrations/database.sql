-- Once a database, run again harmlessly: nobody gets rights that were not given, and a guard keeps the tables of every
-- log in this database as they are. Triggers refuse changes to rows; this refuses changes to the triggers, by anyone
-- but a superuser.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS eventstore_guard;
GRANT USAGE ON SCHEMA eventstore_guard TO PUBLIC;

CREATE TABLE IF NOT EXISTS eventstore_guard.guarded (
    relation oid PRIMARY KEY
);
GRANT SELECT ON eventstore_guard.guarded TO PUBLIC;

CREATE OR REPLACE FUNCTION eventstore_guard.is_guarded(class oid, object oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM eventstore_guard.guarded g
        WHERE g.relation = CASE class
            WHEN 'pg_class'::regclass THEN object
            WHEN 'pg_trigger'::regclass THEN (SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = object)
            WHEN 'pg_rewrite'::regclass THEN (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = object)
            WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy p WHERE p.oid = object)
        END)
$$;

CREATE OR REPLACE FUNCTION eventstore_guard.refuse_changes() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    touched text;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    SELECT c.command_tag || ' ' || c.object_identity INTO touched
    FROM pg_event_trigger_ddl_commands() c WHERE eventstore_guard.is_guarded(c.classid, c.objid) LIMIT 1;
    IF touched IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: % is refused', touched USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION eventstore_guard.refuse_drops() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped text;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        DELETE FROM eventstore_guard.guarded g USING pg_event_trigger_dropped_objects() d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = g.relation;
        RETURN;
    END IF;
    -- A dropped trigger, rule or column names its table in the first two parts of its address.
    SELECT d.object_type || ' ' || d.object_identity INTO dropped
    FROM pg_event_trigger_dropped_objects() d
    WHERE EXISTS (
        SELECT FROM eventstore_guard.guarded g WHERE d.classid = 'pg_class'::regclass AND g.relation = d.objid)
       OR EXISTS (
        SELECT FROM eventstore_guard.guarded g
        JOIN pg_class c ON c.oid = g.relation
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = d.address_names[1] AND c.relname = d.address_names[2])
    LIMIT 1;
    IF dropped IS NOT NULL THEN
        RAISE EXCEPTION 'append-only: dropping % is refused', dropped USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

DROP EVENT TRIGGER IF EXISTS eventstore_guard_changes;
CREATE EVENT TRIGGER eventstore_guard_changes ON ddl_command_end EXECUTE FUNCTION eventstore_guard.refuse_changes();
ALTER EVENT TRIGGER eventstore_guard_changes ENABLE ALWAYS;
DROP EVENT TRIGGER IF EXISTS eventstore_guard_drops;
CREATE EVENT TRIGGER eventstore_guard_drops ON sql_drop EXECUTE FUNCTION eventstore_guard.refuse_drops();
ALTER EVENT TRIGGER eventstore_guard_drops ENABLE ALWAYS;
