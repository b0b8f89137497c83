"""Django's PostgreSQL backend, for tests: empties tables as fast as they are small."""
