SHELL = bash
.SHELLFLAGS = -eu -o pipefail -c

LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 10s
CASES ?= 10000

.PHONY: help
help: ## Say what there is to make.
	@sed -n 's/^\([a-z]*\): ## /  make \1\t/p' Makefile | expand -t 16

.PHONY: build
build: ## Build ./claimsmith as the Dockerfile does.
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -o claimsmith ./cmd/claimsmith

.PHONY: run
run: ## Run a server for trying out, on loopback, with nothing kept.
	go run ./cmd/claimsmith dev

.PHONY: test
test: ## Run every test.
	go test ./...

.PHONY: random
random: ## Try 10,000 random cases (CASES) of what is previewed, remembered and rolled back, where the tests try some hundred, and 500 of all dialects.
	CLAIMSMITH_TEST_CASES=$(CASES) go test -count=1 -timeout 30m -run 'Preview|Past|Rollback' ./auth/preview ./metadata
	CLAIMSMITH_TEST_CASES=500 go test -count=1 -timeout 30m -run TestDialectsAgree ./cmd/claimsmith

.PHONY: lint
lint: ## Look for mistakes without running anything.
	go vet ./...
	go run $(LINT) run

.PHONY: bench
bench: ## Measure the server beside minimal baselines, with wrk, then each package by itself.
	go run ./internal/bench
	go run ./internal/bench operate
	go test -run '^$$' -bench . -benchmem ./...

# The end of the time is now and then reported as a failure of its own (golang/go#75804): that alone is tried again.
.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME.
	@go test -list '^Fuzz' ./... \
	| awk '/^Fuzz/ { target[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, target[i]; n = 0 }' \
	| while read -r package target; do \
		echo "$$package $$target"; \
		for try in 1 2 3; do \
			out=$$(go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" 2>&1 </dev/null) && break; \
			grep -q '^    context deadline exceeded$$' <<<"$$out" && [ $$try -lt 3 ] || { echo "$$out"; exit 1; }; \
		done; \
		tail -1 <<<"$$out"; \
	done
