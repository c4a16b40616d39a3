# One way in for people and for CI. Set-up happens by itself, into .venv, and only when a lock or pyproject.toml changed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# Fixed before anything else asks, so that `make ui` and the CLI mean the same folder from any working directory.
export LAKEPROOF_HOME := $(abspath $(or $(LAKEPROOF_HOME),.lakeproof))

PORT ?= 3000
SOAK_MINUTES ?= 10
# The first Python that the locks are resolved for; override with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo "$$p" && break; done)

BIN := .venv/bin
# uv is asked for about a fifth of pip's time; where it cannot reach an index that pip can, pip does the same work.
UV := $(BIN)/uv --quiet
# A lock holds uv itself: print the lines that pin it.
UV_PIN := awk '/^[^ ]/ { keep = /^uv==/ } keep'
COMPILE = $(UV) --no-config pip compile pyproject.toml --group setup --extra flights --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-header --no-emit-index-url --no-emit-find-links $(LOCK_FLAGS)

READERS := platform_tests/readers
SERVICES := platform_tests/services
ORCHESTRATOR := platform_tests/orchestrator
SPARK := platform_tests/spark
DEPLOY := platform_tests/deploy
ALONE_COMPILE = $(UV) --no-config pip compile --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(LOCK_FLAGS)

# Why Spark takes no part in the soak, if it does not: Spark 4.1 runs on these versions of Java, and Maven brings its jars.
JAVA := $(if $(JAVA_HOME),$(JAVA_HOME)/bin/java,java)
SPARK_LACKS = $(shell $(JAVA) -version 2>&1 | grep -qE 'version "(1[7-9]|2[0-3])' || { echo "no Java 17 to 23"; exit; }; \
	command -v mvn >/dev/null || echo "no Maven")
SPARK_JARS := org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0 org.apache.iceberg:iceberg-aws-bundle:1.11.0 \
	org.postgresql:postgresql:42.7.6
# The jars of the image of Spark: Iceberg, and what reads and writes a bucket: Hadoop's S3A, and the SDK of AWS.
IMAGE_JARS := org.apache.hadoop:hadoop-aws:3.4.2 org.apache.iceberg:iceberg-aws-bundle:1.11.0 \
	software.amazon.awssdk:s3-transfer-manager:2.44.4 org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0
MVN_COPY := mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy

# Trino's newest server on Maven Central asks for Java 24, which need not be the Java of anything else.
ENGINES := platform_tests/engines
TRINO_SERVER := 476
TRINO_JAVA ?= $(shell for java in "$(JAVA)" /usr/lib/jvm/*/bin/java; do \
	"$$java" -version 2>&1 | grep -qE 'version "(2[4-9]|[3-9][0-9])' && echo "$$java" && break; done)
TRINO_LACKS = $(if $(TRINO_JAVA),$(shell command -v mvn >/dev/null || echo "no Maven"),no Java 24 or later)

PEERS := platform_tests/benchmarks/peers
PEER_NAMES := dagster-iceberg sqlmesh local-data-platform datacompy
# One of the peers needs a newer Python than ours, and all run on the same.
PEER_PYTHON ?= $(shell for p in python3.12 python3.13 $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.1[23].*/bin/python; do \
	"$$p" -c 'import sys, venv; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo "$$p" && break; done)

# install LOCK: make .venv hold exactly what LOCK says, and this project from its working tree.
define install
	@echo "Setting up .venv from $(1)"
	@$(UV) pip sync --python $(BIN)/python --require-hashes --build-constraints $(1) --compile-bytecode $(1) \
		|| { echo "uv could not; trying pip"; $(BIN)/pip install --quiet --no-deps --require-hashes -r $(1); }
	@$(UV) pip install --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .
	@touch $@
endef

# What the example collects from, beside a command: an API, a landing folder, a database.
OUTSIDE := $(BIN)/python -m flights.outside --folder "$(LAKEPROOF_HOME)/outside"

.PHONY: help
help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/run.stamp  ## Publish January 2013 of the flights example through all four layers, then show the best finds
	@$(OUTSIDE) $(BIN)/lakeproof run --all --from 2013-01-01 --to 2013-01-31
	@echo "The departures of which a few minutes more in the timetable would have saved most:"
	@$(BIN)/lakeproof show flights.padding_candidates@2013-01-31 --rows 5 --sort rank \
		--columns rank,carrier,flight,origin,dest,scheduled_time,pad_minutes,net_saving_usd,remedy
	@echo "Next:"
	@echo "  make ui                                                      the same in Dagster, on http://127.0.0.1:$(PORT)"
	@echo "  . .venv/bin/activate                                         so that the commands below are found"
	@echo "  lakeproof status                                             what readers have, and what is missing"
	@echo "  lakeproof show flights.departures@2013-01-05 --evidence      what was read, made and judged"
	@echo "  lakeproof verify flights.departures@2013-01-05               whether its inputs make it again"
	@echo "  python -m flights.outside lakeproof run --all --from 2013-01-01 --to 2013-12-31"
	@echo "                                                               the whole year, with its sources beside it"

# LAKEPROOF_OUTPUT=ada: all that is materialized goes to output ada, and Dagster's record of it is ada's own.
UI_HOME := $(LAKEPROOF_HOME)/dagster$(if $(LAKEPROOF_OUTPUT),-$(LAKEPROOF_OUTPUT))
.PHONY: ui
ui: .venv/run.stamp  ## Open the Dagster UI on http://127.0.0.1:3000 (PORT=... for another port)
	@mkdir -p "$(UI_HOME)"
	@cp -n platform/lakeproof/dagster.yaml "$(UI_HOME)/"
	@DAGSTER_HOME="$(UI_HOME)" PATH="$(abspath $(BIN)):$$PATH" \
		$(OUTSIDE) $(BIN)/dagster dev -h 127.0.0.1 -p $(PORT)

# Nothing is to be seen where nothing changes: it begins a week behind the clock, and a day takes a minute until it is there.
LIVE := $(LAKEPROOF_HOME)/live
.PHONY: live
live: .venv/run.stamp  ## Replay 2013 onto the present in the UI: days arrive, sensors ask for them, SLAs count (PORT=...)
	@mkdir -p "$(LIVE)/dagster"
	@cp -n platform/lakeproof/dagster.yaml "$(LIVE)/dagster/"
	@LAKEPROOF_HOME="$(LIVE)" DAGSTER_HOME="$(LIVE)/dagster" PATH="$(abspath $(BIN)):$$PATH" \
		$(BIN)/python -m flights.outside --folder "$(LIVE)/outside" --live --past 14 --behind 7 --speed 1440 \
		$(BIN)/dagster dev -h 127.0.0.1 -p $(PORT)

.PHONY: feed
feed: .venv/run.stamp  ## Serve what the example collects from until Ctrl-C, and print the variables that say where it is
	@$(OUTSIDE)

# The services of docker-compose.yml. Without a container engine each says so, and what runs without one.
COMPOSE := docker compose
define engine
	@$(COMPOSE) version >/dev/null 2>&1 && docker info >/dev/null 2>&1 || { \
		echo "This needs Docker Engine 25 or newer with Compose 2.24 or newer, and a daemon that answers \`docker info\`." >&2; \
		echo "Without one: \`make ui\` runs the same in Dagster on this machine, and docs/production.md tells the services apart." >&2; exit 1; }
	@test -f .env || { echo "There is no .env: cp .env.example .env, chmod 600 .env, and fill it in." >&2; exit 1; }
endef

.PHONY: up
up:  ## Build and start every service in containers, and wait until all are healthy
	$(engine)
	@$(COMPOSE) up --detach --build --remove-orphans --wait

.PHONY: down
down:  ## Stop and remove the containers; what they keep stays in its volumes
	$(engine)
	@$(COMPOSE) --profile "*" down

.PHONY: restart
restart:  ## Stop the containers, and start them from what is here now
	$(engine)
	@$(COMPOSE) --profile "*" down
	@$(COMPOSE) up --detach --build --remove-orphans --wait

.PHONY: destroy
destroy:  ## Remove the containers and everything they keep: the lake, Dagster's record (YES=1 asks nothing)
	$(engine)
	@echo "This removes the containers, and for ever the volumes:"
	@$(COMPOSE) --profile "*" config --volumes | sed 's/^/  lakeproof_/'
	@test "$(YES)" = 1 || { printf 'Type "destroy" to go on: ' && read -r answer && test "$$answer" = destroy; } \
		|| { echo "Nothing was removed."; exit 1; }
	@$(COMPOSE) --profile "*" down --volumes --remove-orphans

.PHONY: docs
docs: .venv/run.stamp  ## Write the pages that are made from what they are about
	@$(OUTSIDE) $(BIN)/lakeproof doctor --source all --markdown > docs/sources.md.new
	@mv docs/sources.md.new docs/sources.md

# On a disk, the tests wait for it as long as they work: SQLite and Dagster sync each commit. So their files, some 50 MB at a
# time, lie in memory where there is a file system in it, with room in both; TMPDIR names another place.
MEMORY = $(shell test -w /dev/shm && df -k --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 1024 * 1024' | grep -q . \
	&& awk '/^MemAvailable/ && $$2 > 4 * 1024 * 1024 { print "/dev/shm" }' /proc/meminfo)

.PHONY: test
test: .venv/dev.stamp .venv/readers.stamp .venv/deploy.stamp  ## Run the tests (ARGS="-k publish" for some of them)
	@TMPDIR="$${TMPDIR:-$(or $(MEMORY),/tmp)}" $(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

.PHONY: test-services
test-services: .venv/dev.stamp .venv/services.stamp .venv/deploy.stamp .venv/platform.stamp  ## Publish through a real Postgres, and a REST catalog with S3, started here
	@CATALOGS="postgres rest" $(BIN)/python -m pytest $(SERVICES) $(ARGS)

.PHONY: test-spark
test-spark: .venv/dev.stamp .venv/s3a.stamp .venv/services.stamp .venv/deploy.stamp .venv/platform.stamp  ## Run tables by jobs on a real Spark, here and as in AWS Glue; needs Java 17 or 21, and Maven
	@$(JAVA) -version 2>/dev/null || { echo "No Java: install 17 or 21, or set JAVA_HOME."; exit 1; }
	@LAKEPROOF_SPARK_TESTS=1 $(BIN)/python -m pytest $(SPARK) $(ARGS)

# Not a part of test-services: a Trino server is 821 MB to fetch, and Spark starts twice.
.PHONY: test-readers
test-readers: .venv/dev.stamp .venv/readers.stamp .venv/spark.stamp .venv/services.stamp .venv/trino.stamp  ## Read what is published with a real Trino, Spark, DuckDB, Polars and PyIceberg
	@test -z "$(SPARK_LACKS)$(TRINO_LACKS)" || { echo "Spark lacks: $(or $(SPARK_LACKS),nothing). Trino lacks: $(or $(TRINO_LACKS),nothing). Name a Java: make test-readers JAVA_HOME=/path/to/17 TRINO_JAVA=/path/to/25/bin/java"; exit 1; }
	@CATALOGS="postgres rest" TRINO_JAVA="$(TRINO_JAVA)" $(BIN)/python -m pytest $(ENGINES) $(ARGS)

.PHONY: soak
soak: .venv/dev.stamp .venv/readers.stamp .venv/spark.stamp .venv/services.stamp .venv/airflow.stamp .venv/trino.stamp  ## Kill, interleave and poll for SOAK_MINUTES (10), and print what was tried
	@CATALOGS="sqlite postgres rest" SPARK_LACKS="$(SPARK_LACKS)" TRINO_LACKS="$(TRINO_LACKS)" TRINO_JAVA="$(TRINO_JAVA)" \
		$(BIN)/python platform_tests/soak.py $(SOAK_MINUTES)

.PHONY: bench
bench: .venv/dev.stamp .venv/spark.stamp $(PEER_NAMES:%=.venv/peers/%.stamp)  ## Measure beside peers and the limit (ONLY=B1,B4 for some); exits 1 where a bound is missed
	@$(BIN)/python platform_tests/benchmarks $(if $(ONLY),--only $(ONLY)) $(ARGS)

.PHONY: check
check: .venv/dev.stamp  ## Lint the code and the tables, check the formatting, the types, and that a metric is defined once
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lakeproof lint
	@$(BIN)/lakeproof duplicates

.PHONY: audit
audit: .venv/deploy.stamp  ## Ask which locked dependencies have known vulnerabilities; says when nobody could be asked
	@.venv/deploy/bin/python .ci/audit.py

.PHONY: format
format: .venv/dev.stamp  ## Format the code and apply the safe fixes
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: lock
lock: .venv/dev.stamp  ## Resolve all locks anew (LOCK_FLAGS=--upgrade for newer versions)
	@$(COMPILE) --output-file requirements.lock >/dev/null
	@$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock >/dev/null
	@for peer in $(PEER_NAMES); do $(UV) --no-config pip compile $(PEERS)/$$peer.in --universal --python-version 3.12 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links $(LOCK_FLAGS) \
		--output-file $(PEERS)/$$peer.lock >/dev/null || exit 1; done
	@$(ALONE_COMPILE) $(READERS)/requirements.in --output-file $(READERS)/requirements.lock >/dev/null
	@$(ALONE_COMPILE) $(READERS)/spark.in --output-file $(READERS)/spark.lock >/dev/null
	@$(ALONE_COMPILE) $(SERVICES)/requirements.in --output-file $(SERVICES)/requirements.lock >/dev/null
	@$(ALONE_COMPILE) $(ORCHESTRATOR)/requirements.in --output-file $(ORCHESTRATOR)/requirements.lock >/dev/null
	@$(ALONE_COMPILE) $(DEPLOY)/requirements.in --output-file $(DEPLOY)/requirements.lock >/dev/null
	@$(COMPILE) --extra aws --extra connect --extra postgres --constraint requirements.lock \
		--output-file deploy/requirements.lock >/dev/null

.PHONY: clean
clean:  ## Remove .venv, caches and builds; keep the data under .lakeproof
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find platform platform_tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A failed set-up leaves no stamp, so the next command starts it again.
.venv/uv.stamp:
	@test -n "$(PYTHON)" || { echo "Lakeproof needs Python 3.11, 3.12 or 3.13 with venv and pip. Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(UV_PIN) requirements.lock > .venv/uv.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@touch $@

.venv/run.stamp: requirements.lock pyproject.toml | .venv/uv.stamp
	$(call install,requirements.lock)

# After the run stamp, never beside it: both change the same .venv.
.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	$(call install,requirements-dev.lock)

# Outside readers share nothing with the project: an environment of their own, inside the one that `make clean` removes.
.venv/readers.stamp: $(READERS)/requirements.lock | .venv/dev.stamp
	@$(PYTHON) -m venv --without-pip .venv/readers
	@$(UV) pip sync --python .venv/readers/bin/python --require-hashes $(READERS)/requirements.lock
	@touch $@

# Spark as well, with the jars by which it reads Iceberg, S3 and Postgres. The soak says when it takes no part.
.venv/spark.stamp: $(READERS)/spark.lock $(READERS)/spark.sha256 | .venv/dev.stamp
	@if test -z "$(SPARK_LACKS)"; then echo "Setting up .venv/spark" && rm -rf .venv/spark && $(PYTHON) -m venv --without-pip .venv/spark \
		&& $(UV) pip sync --python .venv/spark/bin/python --require-hashes --build-constraints requirements.lock $< \
		&& for jar in $(SPARK_JARS); do \
			$(MVN_COPY) -Dartifact=$$jar -DoutputDirectory="$(CURDIR)/.venv/spark/jars" || exit 1; done \
		&& (cd .venv/spark/jars && sha256sum --quiet --check "$(CURDIR)/$(READERS)/spark.sha256") && touch $@; fi

.venv/s3a.stamp: deploy/spark/jars.sha256 | .venv/dev.stamp
	@command -v mvn >/dev/null || { echo "No Maven, which brings Spark's jars for S3: install it."; exit 1; }
	@rm -rf .venv/s3a && for jar in $(IMAGE_JARS); do \
		$(MVN_COPY) -Dartifact=$$jar -DoutputDirectory="$(CURDIR)/.venv/s3a" || exit 1; done
	@cd .venv/s3a && sha256sum --quiet --check "$(CURDIR)/deploy/spark/jars.sha256"
	@touch $@

# A Trino server: of its plugins only those that tests use. They share files by hard links, so all are unpacked before some go.
.venv/trino.stamp: $(ENGINES)/trino.sha256 $(ENGINES)/trino.plugins | .venv/uv.stamp
	@if test -z "$(TRINO_LACKS)"; then echo "Setting up .venv/trino, from 821 MB" && rm -rf .venv/trino && mkdir -p .venv/trino \
		&& $(MVN_COPY) -Dartifact=io.trino:trino-server:$(TRINO_SERVER):tar.gz -DoutputDirectory="$(CURDIR)/.venv/trino" \
		&& (cd .venv/trino && sha256sum --quiet --check "$(CURDIR)/$(ENGINES)/trino.sha256" \
			&& tar xzf trino-server-$(TRINO_SERVER).tar.gz --strip-components=1 && rm trino-server-$(TRINO_SERVER).tar.gz \
			&& mkdir kept && (cd plugin && mv $$(cat "$(CURDIR)/$(ENGINES)/trino.plugins") ../kept) \
			&& rm -rf plugin secrets-plugin && mv kept plugin) && touch $@; fi

# Each peer of the benchmarks likewise. The benchmarks say which of them took no part.
.venv/peers/%.stamp: $(PEERS)/%.lock | .venv/dev.stamp
	@if test -n "$(PEER_PYTHON)"; then \
		echo "Setting up .venv/peers/$*" && $(PEER_PYTHON) -m venv --without-pip .venv/peers/$* \
		&& $(UV) pip sync --python .venv/peers/$*/bin/python --require-hashes --compile-bytecode $< && touch $@; \
	else echo "$* takes no part: it needs Python 3.12 or 3.13. Name one: make bench PEER_PYTHON=/path/to/it"; fi

.venv/services.stamp: $(SERVICES)/requirements.lock | .venv/dev.stamp
	@$(PYTHON) -m venv --without-pip .venv/services
	@$(UV) pip sync --python .venv/services/bin/python --require-hashes $(SERVICES)/requirements.lock
	@touch $@

.venv/airflow.stamp: $(ORCHESTRATOR)/requirements.lock | .venv/dev.stamp
	@$(PYTHON) -m venv --without-pip .venv/airflow
	@$(UV) pip sync --python .venv/airflow/bin/python --require-hashes $(ORCHESTRATOR)/requirements.lock
	@touch $@

# What looks at docker-compose.yml, the Dockerfile, the policies and the locks.
.venv/deploy.stamp: $(DEPLOY)/requirements.lock | .venv/dev.stamp
	@$(PYTHON) -m venv --without-pip .venv/deploy
	@$(UV) pip sync --python .venv/deploy/bin/python --require-hashes $(DEPLOY)/requirements.lock
	@touch $@

# The environment of the image, made by the commands of its Dockerfile, but for this project, which stays a working tree.
.venv/platform.stamp: deploy/requirements.lock | .venv/dev.stamp
	@echo "Setting up .venv/platform from $<"
	@$(PYTHON) -m venv --without-pip .venv/platform
	@$(UV) pip sync --python .venv/platform/bin/python --require-hashes --build-constraints $< $<
	@$(UV) pip install --python .venv/platform/bin/python --offline --no-deps --no-build-isolation --editable .
	@$(UV) pip uninstall --python .venv/platform/bin/python hatchling setuptools uv
	@touch $@
