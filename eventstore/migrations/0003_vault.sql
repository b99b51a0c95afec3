-- Personal data, encrypted per person and purpose. Destroying a key row's wrapped key makes every entry under it
-- unreadable.
CREATE TABLE {service}.vault_keys (
    person_id  uuid        NOT NULL,
    purpose    text        NOT NULL,
    wrapped    bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    erased_at  timestamptz,
    PRIMARY KEY (person_id, purpose),
    CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);

CREATE TABLE {service}.vault_entries (
    ref        uuid  NOT NULL,
    field      text  NOT NULL,
    person_id  uuid  NOT NULL,
    purpose    text  NOT NULL,
    nonce      bytea NOT NULL,
    ciphertext bytea NOT NULL,
    blind      bytea,
    PRIMARY KEY (ref, field)
);
CREATE INDEX vault_entries_person ON {service}.vault_entries (person_id, purpose);
CREATE INDEX vault_entries_blind ON {service}.vault_entries (blind) WHERE blind IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON {service}.vault_keys TO {service}_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON {service}.vault_entries TO {service}_app;
