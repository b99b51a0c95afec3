"""Whole records of volunteers as files: 民政部令第67号's five groups in CSV and JSON, out of here and into here."""
