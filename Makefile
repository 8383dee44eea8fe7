# Two commands do all the set-up on a fresh machine that has Python >= 3.11 and make:
#   make demo    explore a rendered house, remember it, ask it, write report.html
#   make test    lint, type-check and test, with every extra that the tests use (EXTRAS=test leaves out torch)
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test,clip,text,minilm,team
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-slow lint types bench clean

demo: $(VENV)/.core
	$(BIN)/placecell demo

test: lint types
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-slow: $(VENV)/.$(EXTRAS)
	$(BIN)/python -m pytest -q -m slow

lint: $(VENV)/.$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Checkers cannot follow an editable install, so they read an installed copy.
types: $(VENV)/.$(EXTRAS)
	rm -rf build .typecheck
	$(PIP) install -q --no-deps --upgrade --target .typecheck .
	rm -rf build
	MYPYPATH=.typecheck $(BIN)/mypy --strict -p placecell

bench: $(VENV)/.bench
	$(BIN)/placecell bench write
	$(BIN)/placecell bench recall
	$(BIN)/placecell bench ingest
	$(BIN)/placecell bench localise

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Placecell needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e .
	touch $@

# One install for all extras: torch and torchvision must be resolved together.
$(VENV)/.$(EXTRAS): $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@ $(VENV)/.core

$(VENV)/.bench: $(VENV)/.made pyproject.toml constraints.txt
	$(PIP) install -q -c constraints.txt -e ".[bench]"
	touch $@

clean:
	rm -rf $(VENV) .typecheck build runs .pytest_cache .mypy_cache .ruff_cache
