# `make search` and `make test` each set up what they need (a virtual environment with the project in it), then do their job.
# `make test-nni` has an environment of its own: NNI needs older versions of setuptools and filelock.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/first

.PHONY: search test test-nni clean

search: $(VENV)/.search
	$(VENV)/bin/tart-nas search --top-k 3 --random 3 --out $(RUN)

test: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy tart_nas tests
	$(VENV)/bin/pytest -n 2 --dist worksteal

test-nni: $(VENV)-nni/.test
	$(VENV)-nni/bin/pytest -n 2 --dist worksteal tests/strategies/nni_plugin

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.search: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/.search

$(VENV)-nni/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV)-nni
	$(VENV)-nni/bin/pip install --quiet --editable '.[all]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-nni build *.egg-info
