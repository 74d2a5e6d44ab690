# Everything a newcomer needs: `make report` and `make test`. Only Python >= 3.11 and make are assumed.
PYTHON ?= python3
ENV := .venv
BIN := $(ENV)/bin
OUT ?= report

.PHONY: report docs test browser lint lock clean

report: $(ENV)/.report
	$(BIN)/ttc-games report -o $(OUT)

# The documentation site, which opens from disk.
docs: $(ENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo site/index.html

test: $(ENV)/.installed lint browser
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

# Finds a Chromium for the browser tests, or installs one where that needs no asking; without one they are skipped.
browser: $(ENV)/.installed
	$(BIN)/python -m tests.browsers

lint: $(ENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What the report needs, or all that checks need: the second holds the first.
$(ENV)/.report: pyproject.toml constraints.txt
	$(call install,report)
	touch $@

$(ENV)/.installed: pyproject.toml constraints.txt
	$(call install,dev)
	touch $@ $(ENV)/.report

define install
	$(PYTHON) -c 'import sys; sys.exit("ttc-games needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(ENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(1)]'
endef

# Re-resolve every pinned version (run after changing dependencies in pyproject.toml).
lock: $(ENV)/.installed
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--no-header --no-annotate --no-emit-index-url --no-emit-package ttc-games --output-file constraints.txt

clean:
	rm -rf $(ENV) $(OUT) site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
