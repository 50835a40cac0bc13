"""SchoolBeat agent: runs in a school, measures, loses nothing."""
