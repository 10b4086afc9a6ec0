# `make search` and `make test` each set up what they need (a virtual environment with the project in it), then do their job.
# `make test-nni` has an environment of its own: NNI needs older versions of setuptools and filelock.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/first

# Images of containers often set this. Each of a search's or a test's processes would then compile all that it imports
# anew: 10 s for PyTorch, torchvision and Optuna instead of 3.6.
unexport PYTHONDONTWRITEBYTECODE

# What is imported is compiled then; all of it, by pip, would take a minute.
PIP_INSTALL = $(VENV)/bin/pip install --quiet --no-compile --editable

.PHONY: search test test-slow types units coverage campaign test-nni test-ray docs notebooks test-lowest clean

search: $(VENV)/.search
	$(VENV)/bin/tart-nas search --workers 2 --top-k 4 --random 4 --out $(RUN)

test: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(MAKE) --jobs=2 types units

# While mypy runs, tests wait for each other and for servers.
units: $(VENV)/.test
	$(VENV)/bin/pytest -n 2 --dist worksteal -m "not slow"

# mypy finds modules by their folders alone. So it reads a copy in which the three top-level folders lie inside the
# package, as they are installed: the links in tart_nas/ do not exist on every system.
types: $(VENV)/.test
	mkdir -p build/types
	rm -rf build/types/tart_nas build/types/tests
	cp -R tart_nas tests build/types
	cd build/types/tart_nas && rm -rf strategies search_spaces experiments
	cp -R strategies search_spaces experiments build/types/tart_nas
	cd build/types && ../../$(VENV)/bin/mypy --config-file ../../pyproject.toml tart_nas tests

# What takes long: the site and the notebooks, the longest pages, all of torchvision's models, kills at many moments.
test-slow: $(VENV)/.docs
	$(VENV)/bin/pytest -n 2 --dist worksteal -m slow

# How much of the package the tests run; not part of `test`, which it makes slower.
coverage: $(VENV)/.docs
	$(VENV)/bin/pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered

# Kills, corrupted files, full disks, workers that stand still: CAMPAIGN=kills SEED=1 COUNT=50. All of them at their whole
# counts take hours.
campaign: $(VENV)/.test
	$(VENV)/bin/python -m tests.campaigns $(CAMPAIGN) --seed $(or $(SEED),0) $(if $(COUNT),--count $(COUNT)) \
	    --out $(or $(OUT),build/campaigns.json)

test-nni: $(VENV)-nni/.test
	$(VENV)-nni/bin/pytest -n 2 --dist worksteal tests/strategies/nni_plugin

# Each test starts a cluster on this machine: one at a time.
test-ray: $(VENV)-ray/.test
	$(VENV)-ray/bin/pytest tests/runs/ray

# The documentation site, build/site/index.html; a warning is an error.
docs: $(VENV)/.docs
	$(VENV)/bin/sphinx-build -W --keep-going -E -d build/doctrees docs build/site

# Runs the notebooks again and stores their outputs in them.
notebooks: $(VENV)/.docs
	$(VENV)/bin/python docs/run_notebooks.py

# A small search with the lowest versions that pyproject.toml allows, so that its bounds are true.
test-lowest:
	rm -rf $(VENV)-lowest runs/lowest
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/pip install --quiet uv
	$(VENV)-lowest/bin/uv pip compile --quiet --resolution lowest-direct --output-file $(VENV)-lowest/lowest.txt pyproject.toml
	VIRTUAL_ENV=$(VENV)-lowest $(VENV)-lowest/bin/uv pip install --quiet --requirement $(VENV)-lowest/lowest.txt .
	$(VENV)-lowest/bin/tart-nas search --space darts --dataset digits --candidates 100 --top-k 1 --random 1 --cells 2 \
	    --channels 4 --train-images 200 --epochs 1 --out runs/lowest
	$(VENV)-lowest/bin/tart-nas retrain runs/lowest --dataset digits --epochs 1 --train-images 200 --out runs/lowest-retrained

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.search: pyproject.toml | $(VENV)/bin/pip
	$(PIP_INSTALL) .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/pip
	$(PIP_INSTALL) '.[test]'
	touch $@ $(VENV)/.search

# The site and the notebooks need a third of all packages, and no other test does.
$(VENV)/.docs: pyproject.toml | $(VENV)/bin/pip
	$(PIP_INSTALL) '.[test,docs]'
	touch $@ $(VENV)/.test $(VENV)/.search

$(VENV)-nni/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV)-nni
	$(VENV)-nni/bin/pip install --quiet --editable '.[all]'
	touch $@

$(VENV)-ray/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV)-ray
	$(VENV)-ray/bin/pip install --quiet --editable '.[ray,test]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-nni $(VENV)-ray $(VENV)-lowest build *.egg-info
