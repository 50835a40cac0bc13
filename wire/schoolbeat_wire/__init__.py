"""What agent and server agree on: report, topics, catalogue of signals and readings."""
