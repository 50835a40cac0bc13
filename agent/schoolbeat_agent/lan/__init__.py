"""Strangers and faults on the LAN: a child process listens and asks, the agent counts and forgets the addresses."""
