"""Backups: the whole database in one snapshot, what opens names kept apart, and putting both back."""
