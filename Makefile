# make demo   start the product with demonstration data
# make check  the quick one: format, tidy, linter, architecture, SQLite tests
# make test   everything: both databases, browser stories, crash tests
.PHONY: demo check test generate lint tools

BIN      := $(CURDIR)/.cache/bin
LINTER   := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
TEMPL    := github.com/a-h/templ/cmd/templ@v0.3.977
GOFLAGS  :=
export GOFLAGS

demo:
	go run ./cmd/yilian demo

check: lint
	go test ./...

test:
	bash scripts/test.sh

# Pages: the generated Go is committed, so that building needs nothing but Go.
generate: $(BIN)/templ
	$(BIN)/templ generate

lint: $(BIN)/golangci-lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go mod tidy -diff
	$(BIN)/golangci-lint run

$(BIN)/golangci-lint:
	GOBIN=$(BIN) go install $(LINTER)

$(BIN)/templ:
	GOBIN=$(BIN) go install $(TEMPL)
