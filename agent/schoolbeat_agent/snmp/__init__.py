"""SNMP as the agent uses it: sessions, guarded walks, standard tables, vendor profiles."""
