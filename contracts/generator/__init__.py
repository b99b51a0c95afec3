"""From event classes to what others read: schemas, examples, AsyncAPI and the catalogue."""
