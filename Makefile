# Martlet's daily commands. System packages are installed where they are missing (Config/system-packages.txt).

SWIFT    ?= swift
VAR      ?= var
DOMAIN   ?=
SEEDS    ?= 100000
LONG     := Topologies/long-weekend.toml
ALL      := $(filter-out $(LONG),$(wildcard Topologies/*.toml))
COMPANIES := $(filter-out Topologies/two-offices.toml,$(ALL))
KILLS    ?= 200
RUNS     ?= 5
ROWS     ?=
PEERS    ?=
IDLE     ?= 2000
SEED     ?= 1
FUZZ     ?= 3600

# The release build: one file with the Swift runtime in it, optimised across modules (a sixth less processor time for a
# message at low load, a tenth when saturated: Docs/performance.md).
RELEASE  := -c release --static-swift-stdlib -Xswiftc -cross-module-optimization

.DEFAULT_GOAL := help
.PHONY: help run build deb martlet-bench quick test demo faults bench campaign clean
.PHONY: part-cores part-lint part-fuzz-smoke part-sanitize part-swift part-model part-simulate part-interop part-fuzz \
	part-thread-sanitize part-kills part-seeds part-fuzz-long

help: ## What can be made
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | column -t -s '|'

run: build ## One office in the foreground, set up in ./var at the first start; DOMAIN=... names its domain
	exec .build/release/martlet run --directory $(VAR) $(if $(DOMAIN),--domain $(DOMAIN))

build: ## The release build: .build/release/martlet
	@Tests/setup/install build
	$(SWIFT) build $(RELEASE) --product martlet

deb: build ## The Debian package: .build/martlet_VERSION_ARCH.deb, then: apt install ./FILE; martlet setup
	@Tests/setup/install package
	Config/debian/build

martlet-bench: ## The program that measures single steps and whole sites: .build/release/martlet-bench
	@Tests/setup/install build
	$(SWIFT) build $(RELEASE) --product martlet-bench

quick: ## Daily check, minutes: cores without the network layers, tidiness, fuzzing smoke, address sanitizer
	@Tests/setup/install build
	@Tests/setup/parts cores lint fuzz-smoke sanitize

test: ## Everything: cores, sanitizer, all Swift tests, real clients, Prosody, ejabberd, outages, fuzzing
	@Tests/setup/install build test python
	@Tests/setup/parts lint sanitize swift model simulate interop fuzz

demo: build ## The story of two offices and a dead line, with real processes and a real Prosody, in two minutes
	@Tests/setup/install test python
	@MARTLET=.build/release/martlet .venv/bin/python Tests/InteropTests/demo.py

faults: build ## An hour: what is lost, repeated and late across faults, with Prosody and ejabberd too: Docs/guarantees.md
	@Tests/setup/install test python
	@MARTLET=.build/release/martlet .venv/bin/python Tests/InteropTests/faults.py --write

bench: build ## An hour: Prosody, ejabberd and Martlet at the same work: Docs/performance.md; quick: RUNS=1 ROWS="login chat-tls"
	@Tests/setup/install test
	@MARTLET=.build/release/martlet python3 Tests/Bench/bench.py --write --runs $(RUNS) --rows "$(ROWS)" --peers "$(PEERS)" \
		--idle $(IDLE)

campaign: ## A day: 200 kills of real offices, every attack, thread sanitizer, 100,000 simulated outages, FUZZ=3600 seconds of fuzzing for each target
	@Tests/setup/install build test python
	@Tests/setup/parts kills attacks thread-sanitize seeds fuzz-long

clean: ## Removes what was built; var stays
	rm -rf .build .build-cores .build-address .build-thread .venv

# The parts of `quick`, `test` and `campaign`. Each has its own scratch path, so that none rebuilds another's products.

part-cores:
	MARTLET_CORES=1 $(SWIFT) test --scratch-path .build-cores

part-lint:
	$(SWIFT) format lint --strict --parallel --recursive Sources Tests Package.swift

part-fuzz-smoke:
	Tests/FuzzTests/run.sh 10

part-fuzz:
	Tests/FuzzTests/run.sh 20

part-fuzz-long:
	Tests/FuzzTests/run.sh $(FUZZ)

# Leaks are not looked for: the Swift runtime keeps what it allocates once. A crashing symbolizer has hung a pipe. Whole
# companies are not simulated under the sanitizer: half the time for code that the other tests reach. It has an allocator of its own, in
# which nobody can count.
part-sanitize:
	MARTLET_CORES=1 ASAN_OPTIONS=detect_leaks=0:symbolize=0 $(SWIFT) test --scratch-path .build-address --sanitize=address \
		--skip SimulationTests --skip FederationGrowthTests

# Builds the command as well: the interoperation tests run this debug build.
part-swift:
	$(SWIFT) build --build-tests
	$(SWIFT) test --skip-build

part-model:
	Docs/models/check

# Fewer messages than the topologies say, in the same time: many different outages in minutes.
part-simulate:
	.build/debug/martlet simulate Topologies/two-offices.toml --runs 1000 --messages 12
	.build/debug/martlet simulate $(COMPANIES) --runs 12 --messages 12
	.build/debug/martlet simulate $(LONG) --runs 1 --messages 60
	.build/debug/martlet simulate Topologies/two-offices.toml Topologies/chain.toml Topologies/behind-nat.toml --runs 10 --messages 12 --bytes

part-interop:
	MARTLET=$(CURDIR)/.build/debug/martlet Tests/InteropTests/run

part-thread-sanitize:
	Tests/ThreadSanitizer/run

part-kills: build
	MARTLET=.build/release/martlet .venv/bin/python Tests/InteropTests/campaign.py --kills $(KILLS) --seed $(SEED)

part-attacks: build
	HOSTILE=all MARTLET=$(CURDIR)/.build/release/martlet Tests/InteropTests/run -k test_hostile_

part-seeds: build
	Tests/setup/seeds .build/release/martlet $(SEEDS)
	Tests/setup/seeds .build/release/martlet $$(( $(SEEDS) / 100 )) --bytes
	.build/release/martlet simulate $(LONG) --runs 50
