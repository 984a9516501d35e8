# The two commands of the README. Each has its own virtual environment; the second run installs nothing.
#   make demo            edits held-out pictures and leaves one sheet and figures in out/demo/
#   make test            lint, types, tests; also against every ComfyUI that is found (COMFYUI_PATH, ~/comfy), with the
#                        front end that it requires, in a Chromium where there is one, and through ComfyUI-Manager
#   make test-fast       the same without ComfyUI
#   make test ARGS=...   ARGS go to pytest, e.g. ARGS="-k schedules"
# LATENT_INVERSION_EVERY_VERSION=1 make test runs on every ComfyUI also what does not depend on its version.
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv-test
INSTALL = bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
WORKERS ?= 2
COMFYUI := $(shell $(PYTHON) tests/harness/checkouts.py)
FRONT_ENDS := $(addprefix $(TEST)/front-ends/,$(shell $(PYTHON) tests/harness/checkouts.py front-ends))
MANAGER := $(TEST)/manager
space := $(subst ,, )

# One OpenMP thread per test process: threads that wait by spinning are slower than none on few cores.
test test-fast: export OMP_NUM_THREADS ?= 1

ifneq ($(COMFYUI),)
test: export COMFYUI_FRONT_ENDS ?= $(subst $(space),:,$(addprefix $(CURDIR)/,$(FRONT_ENDS)))
test: export COMFYUI_MANAGER ?= $(CURDIR)/$(MANAGER)
endif

.PHONY: demo test test-fast clean

demo: $(DEMO)/installed
	$(DEMO)/bin/latent-inversion demo

test: $(TEST)/installed $(if $(COMFYUI),$(TEST)/comfyui $(MANAGER)/installed $(FRONT_ENDS))
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy
	$(TEST)/bin/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(ARGS)

test-fast: $(TEST)/installed
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy
	$(TEST)/bin/python -m pytest -n $(WORKERS) -m "not comfy" $(ARGS)

$(DEMO)/installed: pyproject.toml constraints.txt
	@echo "Installing into $(DEMO): a few minutes the first time"
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/$(INSTALL) --editable .
	@touch $@

$(TEST)/installed: pyproject.toml constraints.txt
	@echo "Installing into $(TEST): a few minutes the first time"
	$(PYTHON) -m venv $(TEST)
	$(TEST)/$(INSTALL) --editable ".[test]"
	@touch $@

$(TEST)/comfyui: $(TEST)/installed requirements-comfyui-test.txt
	@echo "Installing what ComfyUI needs: $(COMFYUI)"
	$(TEST)/$(INSTALL) --requirement requirements-comfyui-test.txt
	@touch $@

$(MANAGER)/installed: requirements-manager-test.txt | $(TEST)/installed
	@echo "Installing ComfyUI-Manager into $(MANAGER)"
	rm -rf $(MANAGER)
	$(TEST)/$(INSTALL) --no-deps --target $(MANAGER) --requirement requirements-manager-test.txt
	@touch $@

$(TEST)/front-ends/%: | $(TEST)/installed
	@echo "Installing ComfyUI's front end $*"
	$(TEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target $@ comfyui-frontend-package==$*

clean:
	rm -rf $(DEMO) $(TEST) build *.egg-info .mypy_cache .pytest_cache .ruff_cache
