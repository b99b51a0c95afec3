"""Bank statements as the bank's own site writes them: CSV, read whole or told what is wrong, row by row."""
