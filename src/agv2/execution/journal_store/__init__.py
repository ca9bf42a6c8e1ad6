"""Where a journal's rows are kept: a SQLite file, or tables of a PostgreSQL database."""
