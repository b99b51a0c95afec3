-- How far each receiver outside was sent another service's log, and how sending goes. No event says it: a delivery that
-- was an event would have to be delivered in turn. `turn` grows whenever somebody but the sender changes a row; the
-- sender writes only what it read in the same turn, so neither overwrites the other.
CREATE TABLE {service}.deliveries (
    receiver      uuid        NOT NULL,
    source        text        NOT NULL,
    position      bigint      NOT NULL CHECK (position >= 0),
    event_id      uuid,
    turn          integer     NOT NULL DEFAULT 0,
    delivered     bigint      NOT NULL DEFAULT 0,
    failures      integer     NOT NULL DEFAULT 0,
    failing_since timestamptz,
    due_at        timestamptz,
    reason_code   text,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (receiver, source),
    CHECK ((failures = 0) = (failing_since IS NULL))
);
ALTER TABLE {service}.deliveries OWNER TO {service}_owner;
GRANT SELECT ON {service}.deliveries TO {service}_app, {service}_migrator, {service}_auditor;
GRANT INSERT, UPDATE ON {service}.deliveries TO {service}_app;
