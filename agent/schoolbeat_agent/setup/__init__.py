"""Setting up a school in ten minutes: sweep what is confirmed, name what is found, write it, measure once."""
