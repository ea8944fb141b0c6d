# The two commands of a newcomer are `make run` and `make test`; `make help` lists the rest.
#
# Paths are relative, so that the folder may have blanks in its name. A stamp file is newer than the
# requirements that it stands for, so that a second run installs nothing.

PYTHON ?= python3
ARGS ?=
TORCH_INDEX ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
READY_BENCH := $(VENV)/.ready-bench
# One more than there are processors, four at most: a third of its time a test waits for a page or a process.
WORKERS = $$($(PY) -c "import os; print(min(4, 1 + (os.cpu_count() or 1)))")

.DEFAULT_GOAL := help
.PHONY: help run test check bench clean

help:
	@echo "make run      install what is missing, start Haven, open the browser (ARGS=\"--port 8000\" passes flags)"
	@echo "make test     install what is missing, run the whole test suite (ARGS=\"-k cancel\" passes flags, \"-n 0\": one after the other)"
	@echo "make check    format, lint, type-check, check the import direction"
	@echo "make bench    measure Haven beside its peers (about an hour; ARGS=\"startup --quick\" runs a part)"
	@echo "make clean    remove .venv and what the tools left behind; data, models and results stay"
	@echo
	@echo "PYTHON=python3.12    the Python that .venv is made from (3.11 or newer)"
	@echo "TORCH_INDEX=URL      where torch comes from, such as PyTorch's own index of CPU builds"

run: $(READY)
	@$(PY) haven_app.py $(ARGS)

# Without a browser the tests that need one are left out, loudly; with HAVEN_REQUIRE_BROWSER set that is an error.
# The files of tests are shared out among workers, the long ones first (tests/conftest.py). What Python compiles is
# kept, for the tests start some sixty processes.
test: $(READY_DEV)
	@$(PY) tests/install_browser.py || [ -z "$$HAVEN_REQUIRE_BROWSER" ]
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY_DEV)
	@$(PY) -m ruff format .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m pytest -q tests/test_imports.py

bench: $(READY_BENCH)
	@$(PY) -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Haven needs Python 3.11 or newer, and '$(PYTHON)' is not."; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "The virtual environment could not be made. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

# torch goes first, from an index of its own where one is named, so that nothing else brings another build.
$(READY): requirements.txt | $(PY)
	@torch=$$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt); \
	  $(PIP) install $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") "$$torch"
	@$(PIP) install -r requirements.txt || { echo; \
	  echo "Not everything could be installed. If it was llama-cpp-python: it is compiled here, which needs a"; \
	  echo "C++ compiler (Debian and Ubuntu: apt install g++ make; macOS: xcode-select --install)."; \
	  echo "Its own installation page offers ready-made wheels; the README says how to use them."; exit 1; }
	@touch $@

$(READY_DEV): requirements-dev.txt $(READY)
	@$(PIP) install -r requirements-dev.txt
	@touch $@

# Some peers have no wheel for every system; what is missing is left out, and said.
$(READY_BENCH): benchmarks/requirements.txt $(READY_DEV)
	@$(PIP) install -r benchmarks/requirements.txt || echo "Not every peer could be installed."
	@touch $@
