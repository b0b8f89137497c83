# What a person needs from this project's command line. `make` alone lists it.
#
# A machine needs git, make and Python >= 3.11; the rest comes from the lock file.

.DEFAULT_GOAL := help
.PHONY: help run test check fix schema messages pictures nightly bench clean-data env
MAKEFLAGS += --no-print-directory
# What one process has compiled, the next does not compile again: a third of the time until the
# first test begins. Nothing is written that `git status` would show.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# Newer than the lock file once the environment is as the lock file says.
STAMP := .venv/.made-from-the-lock
UV = $(shell command -v uv || echo $(BIN)/uv)
# The checks need no server: these settings carry placeholders for all that a process asks for.
DJANGO = DJANGO_SETTINGS_MODULE=connectivity.settings.test $(BIN)/python manage.py
SCHEMA = $(DJANGO) spectacular --urlconf connectivity.edge_urls --validate --fail-on-warn
TEMPLATES = git ls-files 'templates/*.html' 'templates/**/*.html'

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: env ## Start everything: databases, sandbox, site, cars; Ctrl-C stops it, the data stay in var/
	@exec $(BIN)/python -m connectivity.local

test: env ## Run the whole suite, on real servers and in a real browser (ARGS="-k word" narrows it)
	@$(if $(ARGS),,WHOLE_SUITE=1) $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: env ## Lint, types, import contracts, and drift of migrations, templates, messages, schema, lock file
	@$(MAKE) -j2 $(filter --output-sync,$(.FEATURES:%=--%)) --keep-going $(CHECKS)

fix: env ## Mend what a tool can mend: format and simple lint
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(TEMPLATES) | xargs -r $(BIN)/djade --target-version 5.2

schema: env ## Write docs/openapi.yaml anew from the code
	@$(SCHEMA) --file docs/openapi.yaml

messages: env ## Write locale/ anew from the sources; a new text is left to be translated
	@$(BIN)/python -m tests.messages

pictures: env ## Take the pictures of README and docs/pages.md anew, with a Chromium
	@$(BIN)/python -m tests.pictures

nightly: env ## Run what is too long for `make test`: floods, kills, long property runs
	@if [ -d tests/nightly ]; then $(BIN)/python -m pytest tests/nightly $(ARGS); \
	else echo "There are no nightly tests yet: tests/nightly does not exist."; fi

bench: env ## Run the benchmarks, each a table of ratios measured side by side
	@if [ -d bench ]; then $(BIN)/python -m bench $(ARGS); \
	else echo "There is nothing to measure yet: bench does not exist."; fi

clean-data: env ## Remove var/ (APP_DATA_DIR), so that the next `make run` begins anew
	@$(BIN)/python -m connectivity.local.clear

env: $(STAMP) ## Make .venv from uv.lock; the others do it when it is needed

$(STAMP): uv.lock pyproject.toml
	@sh connectivity/local/make_env.sh && touch $@

CHECKS := check-lint check-format check-types check-imports check-migrations check-schema \
	check-templates check-messages check-lock
.PHONY: $(CHECKS)

# $(call step,NAME,COMMAND,HOW TO MEND IT): quiet while it is well.
define step
	@if output=$$($(2) 2>&1); then echo "ok      $(1)"; else \
	printf '%s\n' "$$output" "FAILED  $(1); to mend it: $(3)"; exit 1; fi
endef

check-lint:
	$(call step,lint,$(BIN)/ruff check .,make fix)

check-format:
	$(call step,format,$(BIN)/ruff format --check .,make fix)

check-types:
	$(call step,types,$(BIN)/mypy .,give each line above its type; $(BIN)/mypy . shows them again)

check-imports:
	$(call step,import contracts,$(BIN)/lint-imports,move the import that is named above; the layers are in pyproject.toml)

check-migrations:
	$(call step,migrations,$(DJANGO) makemigrations --check --dry-run,$(BIN)/python manage.py makemigrations)

check-schema:
	$(call step,API schema,$(SCHEMA) | diff -u docs/openapi.yaml -,make schema)

check-templates:
	$(call step,templates,$(TEMPLATES) | xargs -r $(BIN)/djade --check --target-version 5.2,make fix)

check-messages:
ifeq ($(shell command -v xgettext),)
	@echo "SKIPPED messages: apt-get install gettext"
else
	$(call step,messages,$(BIN)/python -m tests.messages --check,make messages; then translate what is new in locale/)
endif

check-lock:
	$(call step,lock file,$(UV) lock --check,$(UV) lock)
