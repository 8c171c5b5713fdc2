# make demo: everything set up, then napari with a sample project (or the same story headless, without a display).
# make test: everything set up, then all tests. Both work on a bare Debian/Ubuntu machine with Python >= 3.11 and pip.

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --no-sync

# What is compiled once is kept, wherever this runs: importing napari and torch without takes half a minute in every process.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test lint

setup:
	sh scripts/system_libraries.sh
	@command -v uv >/dev/null 2>&1 || [ -x .uv/bin/uv ] || { $(PYTHON) -m venv .uv && .uv/bin/pip install --quiet uv; }
	$(UV) sync --quiet --python $(PYTHON)

demo: setup
	$(RUN) voidscope demo

test: setup
	OMP_NUM_THREADS=1 sh scripts/with_display.sh $(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup
	$(RUN) ruff check src tests scripts benchmarks
	$(RUN) ruff format --check src tests scripts benchmarks
	$(RUN) mypy
	$(RUN) lint-imports
