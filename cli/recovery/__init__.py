"""After a loss: a head for the signer that has none, and a log's missing tail from where it still lies."""
