# Everything here sets up what it needs: Python 3.11 or newer and make are all that is asked of the machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-operator test-observability test-page crd charts docs images cluster cluster-images cluster-down e2e chaos lint format lock bench clean

help:  ## what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-14s %s\n", $$1, $$2}'

$(STAMP): requirements/lock.txt pyproject.toml
	@echo "setting up $(VENV) from requirements/lock.txt"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/lock.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: $(STAMP)  ## trade a generated tape through the whole mesh on this machine
	@$(BIN)/tradingmesh up -f manifests/demo.yaml

test: $(STAMP)  ## every test but those of test-operator, test-observability, test-page and e2e
	@$(BIN)/python -m pytest --ignore=tests/operator --ignore=tests/charts --ignore=tests/e2e/cluster --ignore=tests/observability --ignore=tests/page

test-operator: $(STAMP)  ## the operator and the charts, against a real Kubernetes API server (built once, with Go)
	@$(BIN)/python -m tests.cluster.build_tools etcd kube-apiserver kube-controller-manager kubectl helm helm-docs >/dev/null
	@$(BIN)/python -m pytest tests/operator tests/charts

test-observability: $(STAMP)  ## alerts, dashboard and traces, against a real Prometheus and Jaeger (built once, with Go)
	@$(BIN)/python -m tests.cluster.build_tools jaeger >/dev/null
	@$(BIN)/python -m pytest tests/observability

test-page: $(STAMP)  ## the live page of a mesh that trades, in a headless Chromium; screenshots in var/page
	@$(BIN)/python -m pytest tests/page

docs: $(STAMP)  ## write docs/metrics.md and the dashboard for Grafana anew from the code
	@$(BIN)/python -m docs.write

crd: $(STAMP)  ## write the CustomResourceDefinition anew from the models of tradingmesh.contract
	@$(BIN)/python -m tradingmesh_operator.crd

charts: $(STAMP)  ## write what is generated in the charts, their READMEs and goldens, and resolve their dependencies
	@$(BIN)/python -m tradingmesh_operator.charts --helm-docs $$($(BIN)/python -m tests.cluster.build_tools helm-docs)
	@UPDATE_GOLDENS=1 $(BIN)/python -m pytest -q tests/charts/test_chart_goldens.py

IMAGE_PREFIX ?= tradingmesh
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE ?= python:3.12-slim
HELM_IMAGE ?=
# The first that works: a docker without its engine does not.
WORKING = $(eval WORKING := $(shell for tool in docker podman buildah; do $$tool info >/dev/null 2>&1 && echo $$tool && break; done))$(WORKING)
BUILDER ?= $(WORKING)
BUILD_FLAGS ?=
IMAGES := $(filter-out build,$(shell sed 's/:.*//' requirements/images.txt))

images: $(addprefix image-,$(IMAGES))  ## an image a component, and the operator's; IMAGE_PREFIX, TAG, BASE, HELM_IMAGE, BUILDER say how

image-%:
	@test -n "$(BUILDER)" || { echo "docker, podman or buildah is needed to make images"; exit 1; }
	$(BUILDER) build $(BUILD_FLAGS) --target $(if $(filter operator,$*),operator,component) --build-arg IMAGE=$* \
		--build-arg BASE=$(BASE) $(if $(HELM_IMAGE),--build-arg HELM=$(HELM_IMAGE)) --build-arg VERSION=$(TAG) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) --tag $(IMAGE_PREFIX)/$*:$(TAG) .

CLUSTER ?= packages

cluster: $(STAMP)  ## a real Kubernetes of one node on this machine; CLUSTER=kind where Docker is
	@$(BIN)/python -m tests.cluster up --with $(CLUSTER)

cluster-images: $(STAMP)  ## make the images and bring them into it, and those of the version before, once
	@$(BIN)/python -m tests.cluster images --with $(CLUSTER)
	@$(BIN)/python -m tests.cluster load --with $(CLUSTER)
	@$(BIN)/python -m tests.cluster previous --with $(CLUSTER)

cluster-down: $(STAMP)  ## end it
	@$(BIN)/python -m tests.cluster down --with $(CLUSTER)

e2e: $(STAMP)  ## the whole system in a cluster, by helm and kubectl: that of E2E_KUBECONFIG, or one of its own
	@test -n "$(E2E_KUBECONFIG)" || $(MAKE) --no-print-directory cluster cluster-images
	@$(BIN)/python -m pytest tests/e2e/cluster

chaos: $(STAMP)  ## break everything on purpose, at full length; SEED=n repeats a run
	@$(BIN)/python -m pytest tests/chaos tests/simulation --full $(if $(SEED),--seed $(SEED))

lint: $(STAMP)  ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)  ## rewrite the code as ruff would have it
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP)  ## every benchmark, each figure beside its yardstick
	@$(BIN)/tradingmesh bench all

lock: $(STAMP)  ## resolve requirements/in.txt anew (needs uv), and which part of it each image gets
	uv pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes requirements/in.txt -o requirements/lock.txt
	uv pip compile --quiet --no-header --no-deps --universal --python-version 3.11 --generate-hashes requirements/openapi.txt >> requirements/lock.txt
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements/lock.txt
	$(BIN)/python requirements/images.py

clean:  ## remove what the other targets made
	@test ! -d var/cluster/pids || { echo "a cluster runs in var/cluster: make cluster-down first"; exit 1; }
	rm -rf $(VENV) build dist *.egg-info services/*.egg-info operator/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var
