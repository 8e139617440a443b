# The two commands that matter: `make run` shows the platform, `make test` proves it. Both install what is missing.
PRESET ?= release
BUILD := $(if $(filter release,$(PRESET)),build,build-$(PRESET))

.PHONY: build run test bench lint format clean setup-run setup-test

build:
	@scripts/setup build run
	@cmake --preset $(PRESET) >$(CURDIR)/.cmake.log 2>&1 || { cat $(CURDIR)/.cmake.log; exit 1; }
	@cmake --build $(BUILD) --target tarn

run: build
	@build/tarn demo

# The real clients are compiled beside nothing else: once, then found in the cache.
test:
	@scripts/setup build run test clients golden spark
	@scripts/clients
	@cmake --preset $(PRESET) >$(CURDIR)/.cmake.log 2>&1 || { cat $(CURDIR)/.cmake.log; exit 1; }
	@cmake --build $(BUILD)
	@tests/run $(BUILD)

# Every figure of docs/performance.md, on this machine, with its peer beside it.
bench:
	@scripts/setup build run test clients spark bench
	@scripts/clients
	@cmake --preset release >$(CURDIR)/.cmake.log 2>&1 || { cat $(CURDIR)/.cmake.log; exit 1; }
	@cmake --build build --target tarn bench_plan bench_gateway bench_engine bench_delta
	@build/bench/bench_plan
	@bench/server.py build/tarn
	@bench/gateway.py build/bench/bench_gateway
	@"$${TARN_CACHE:-$$HOME/.cache/tarn}/test-venv/bin/python" bench/terraform.py build/tarn
	@"$${TARN_CACHE:-$$HOME/.cache/tarn}/test-venv/bin/python" bench/tpch.py
	@"$${TARN_CACHE:-$$HOME/.cache/tarn}/test-venv/bin/python" bench/tables.py

lint:
	@scripts/setup build run lint
	@scripts/lint

format:
	@git ls-files '*.cc' '*.h' | xargs clang-format -i

clean:
	rm -rf build build-*
