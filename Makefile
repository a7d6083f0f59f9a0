# Python 3.11 is all that these need; the first use of each takes its time to install, the next ones start at once.

PYTHON ?= $(or $(shell command -v python3.11 || command -v python3),python3.11)
PREPARE = $(PYTHON) -m scripts.prepare

.DEFAULT_GOAL := help
.PHONY: help run demo test lint format containers bench lock settings metrics clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z0-9.]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

run: ## start Redis, the three services, the worker of jobs and the gateway here, until Ctrl-C
	@exec $(PREPARE) run -- -m scripts.run

demo: ## measure a video: FILE=clip.mp4 CAMERA=NAME; without FILE a rendered one, beside its truth
	@exec $(PREPARE) run -- -m scripts.demo $(if $(FILE),"$(FILE)") $(if $(CAMERA),--camera "$(CAMERA)")

clip.mp4: ## render a road, its true speeds beside it as clip.csv
	@exec $(PREPARE) run -- -m scripts.clip clip.mp4

test: ## run all tests but those of the containers: ARGS="-k name"
	@exec $(PREPARE) test -- -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: ## ruff and mypy, strict
	@$(PREPARE) test lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: ## let ruff mend and format
	@$(PREPARE) lint
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

containers: ## build the images, start them, test them end to end, take them down; needs Docker
	@exec $(PREPARE) test -- -m scripts.containers

bench: ## measure against bare ASGI, the bare libraries and the peers: ARGS="--only hotpath"
	@exec $(PREPARE) bench -- -m benchmarks $(ARGS)

lock: ## write constraints.txt anew
	@exec $(PREPARE) test lint -- -m scripts.lock

settings: ## write SETTINGS.md anew
	@exec $(PREPARE) run -- -m scripts.settings_docs

metrics: ## write METRICS.md anew, from a running Vernier or one started for it
	@exec $(PREPARE) run -- -m scripts.metrics_docs

clean: ## remove what was installed, built and kept here
	rm -rf clip.mp4 clip.csv .venv .vernier .mypy_cache .ruff_cache .pytest_cache .hypothesis services/text/models
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
