# make demo: the main job, from a clone to labels on MQTT.    make test: the tests.
# make check: style, types, layers.    make models: train the shipped models again.
# make test-device: the service in virtual machines, with systemd, a kernel camera and power cuts.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo

.PHONY: demo test test-device check format models clean

demo: $(VENV)/.installed-demo
	@echo "== pictures to calibrate with, as the demo's camera gives them"
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@$(BIN)/edge capture --source "demo:?fps=0" --every 4 --out $(DEMO)/pictures
	@echo "== models/person/person.keras to int8"
	@$(BIN)/converter convert models/person/person.keras --data $(DEMO)/pictures \
		--labels no_person,person --normalize -1..1 --thresholds person=0.55 --out $(DEMO)/person.tflite
	@echo "== the daemon on a camera, read by a separate MQTT client"
	@$(BIN)/edge demo --model $(DEMO)/person.tflite

test: $(VENV)/.installed-dev
	$(BIN)/pytest

test-device: $(VENV)/.installed-dev
	HEDGEROW_POWER_CUTS=$${HEDGEROW_POWER_CUTS:-20} $(BIN)/pytest -s tests/device

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: $(VENV)/.installed-demo
	$(BIN)/python models/person/train.py --testdata ../shared/testdata
	$(BIN)/python models/person/representative.py --testdata ../shared/testdata --out build/views
	$(BIN)/converter convert models/person/person.keras --data build/views \
		--labels no_person,person --normalize -1..1 --thresholds person=0.5 --name person \
		--out models/person/model.tflite
	$(BIN)/python models/lists.py --testdata ../shared/testdata --out build/lists
	for model in bean-leaf apple-leaf weeds; do \
		PATH="$$PWD/$(BIN):$$PATH" models/$$model/recipe build/lists || exit 1; \
	done

$(VENV)/.installed-demo: pyproject.toml
	@echo "== a Python environment in $(VENV), with TensorFlow for the converter"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --editable ".[converter,demo]"
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --editable ".[converter,demo,dev]"
	@# Without their dependencies: those bring a second OpenCV and a second TensorFlow.
	@$(BIN)/pip install -qq --no-deps mediapipe tf_keras
	@touch $@ $(VENV)/.installed-demo

clean:
	rm -rf build $(VENV)
