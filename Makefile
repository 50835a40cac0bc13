# make demo | test | check | bench | soak | oracle | dashboards: each does all the set-up it needs (see deploy/set_up.py) and says so first.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: demo test check bench soak oracle dashboards clean need-python

demo: need-python
	@$(PYTHON) deploy/set_up.py demo
	@.venv/bin/schoolbeat-server demo

# The agent's and the wire's tests run against the wheel, in an environment without the server's libraries. Most of the
# time the tests wait for real seconds to pass: four at a time suit two cores.
test: need-python
	@$(PYTHON) deploy/set_up.py test
	.venv/bin/pytest -n 4 --dist loadfile --ignore tests/agent --ignore tests/wire
	.venv/bin/python deploy/wheel_tests.py

check: need-python
	@$(PYTHON) deploy/set_up.py check
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

bench: need-python
	@$(PYTHON) deploy/set_up.py bench
	.venv/bin/python bench/run.py

# Rounds of faults for MINUTES, drawn from SEED (CONTRIBUTING.md); SCHEDULE=file repeats one round.
soak: need-python
	@$(PYTHON) deploy/set_up.py test
	.venv/bin/python -m tests.faults.soak $(or $(SEED),1) $(or $(MINUTES),60) $(SCHEDULE)

# School-months and provinces drawn at random, against a model that shares no code (make oracle MONTHS=5000 SEED=7).
oracle: need-python
	@$(PYTHON) deploy/set_up.py test
	ORACLE_MONTHS=$(or $(MONTHS),1000) ORACLE_HOURS=$(or $(HOURS),100) ORACLE_DENSE=$(or $(DENSE),10) \
	  ORACLE_PROVINCES=$(or $(PROVINCES),300) ORACLE_SEED=$(SEED) .venv/bin/pytest tests/oracle -s --timeout 0 -p no:xdist

# Writes dashboards/{influxdb,victoriametrics}/{vi,en}/*.json and deploy/grafana's alert rules anew from their description.
dashboards: need-python
	@$(PYTHON) deploy/set_up.py check
	.venv/bin/python -m dashboards.build
	.venv/bin/python -m dashboards.alerts

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

need-python:
	@test -n "$(PYTHON)" || { echo "DỪNG / STOPPED: cần python3 từ 3.11 trở lên / python3 3.11 or newer is needed" >&2; exit 1; }
