"""SchoolBeat server: receives, keeps, judges, tells, shows."""
