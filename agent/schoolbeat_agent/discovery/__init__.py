"""What is on the school's LAN, of which kind, and why we think so. Only what the technician confirms is swept."""
