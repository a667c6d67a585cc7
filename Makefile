# Two commands matter: `make demo` and `make test`. Both work on a fresh clone with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# As pip does: a company's own certificate lies in the system's store, and uv brings its own.
export UV_SYSTEM_CERTS ?= true
# Where it is set, each of the many processes that tests and the demo start compiles all of torch anew: 15 s, not 5.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: demo test test-full check lint rebuild-check lock browser executorch annotation-tools clean

demo: $(VENV)/.runtime ## open the dashboard on the bundled demo study
	$(BIN)/xai demo

test: $(VENV)/.dev browser ## everything: lint, types, all tests
	$(MAKE) --no-print-directory lint
	$(PYTEST) -n 2 --dist loadfile -m "not full"

test-full: $(VENV)/.dev browser executorch annotation-tools ## with the tests that take an hour
	$(PYTEST) -n 2 --dist loadfile

check: $(VENV)/.dev lint ## lint, types and the fast tests
	$(PYTEST) -n 2 --dist loadfile -m "not full and not slow and not browser and not data" -q

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

rebuild-check: $(VENV)/.dev ## train the demo's runs again and compare with the bundled ones
	rm -rf build/demo
	$(BIN)/xai demo --rebuild --into build/demo --check

lock: $(VENV)/.dev ## write down the exact set of packages that is installed
	$(BIN)/uv pip freeze --python $(BIN)/python --exclude-editable > constraints.txt

annotation-tools: $(BIN)/uv ## what CVAT and Label Studio read and write COCO with, for their tests; they need older packages
	$(BIN)/uv venv --quiet --clear build/annotation-tools
	$(BIN)/uv pip install --quiet --python build/annotation-tools/bin/python "datumaro>=1.13" "label-studio-converter>=0.0.59"

browser: ## Chromium for the browser tests, where it can be had
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; \
	} || echo "no Chromium: browser tests will be skipped"

executorch: $(BIN)/uv ## an environment of its own for ExecuTorch, whose packages hook into pytest; where it can be had
	@{ $(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python build/executorch && \
	  $(BIN)/uv pip install --quiet --python build/executorch/bin/python -c constraints.txt -e ".[executorch]"; \
	} || echo "no ExecuTorch: its test will be skipped"

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.runtime: requirements.txt constraints.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e .
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt constraints.txt pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) build *.egg-info
