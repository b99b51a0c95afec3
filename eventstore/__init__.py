"""An event store on PostgreSQL whose log can be verified: append, read, fold, publish, replay."""
