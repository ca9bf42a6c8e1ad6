"""How the archive in PostgreSQL is reached: address, connections, migrations, statements."""
