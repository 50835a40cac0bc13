"""What agent and server agree on: report, topics, catalogue of signals and readings."""

__version__ = "0.1.0"  # of the whole distribution; tests/test_project.py holds it to pyproject.toml
