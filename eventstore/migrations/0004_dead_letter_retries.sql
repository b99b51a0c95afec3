-- Somebody asked for another try; the consumer that holds the source's role takes it up and clears this.
ALTER TABLE {service}.dead_letters ADD COLUMN retry_asked_at timestamptz;

CREATE INDEX dead_letters_open ON {service}.dead_letters (source, position) WHERE state = 'open';
