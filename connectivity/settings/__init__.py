"""Settings by process: `web` (people, workers), `edge` (cars), `test`; one typed environment."""
