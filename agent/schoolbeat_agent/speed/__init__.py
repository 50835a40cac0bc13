"""Speed tests: when one may be made, how each kind of server is asked, and what stops one."""
