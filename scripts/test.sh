#!/usr/bin/env bash
# Runs every test on both databases and in the browser. Installs what the
# tests need (PostgreSQL, Chromium, Chinese fonts, Node) from Debian's packages
# when it is missing, and starts a PostgreSQL of its own on the loopback address.
set -euo pipefail
cd "$(dirname "$0")/.."
export GOFLAGS=

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"

need=()
[ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || need+=(postgresql)
command -v chromium >/dev/null || need+=(chromium)
fc-list 2>/dev/null | grep -qi "noto sans cjk" || need+=(fonts-noto-cjk fontconfig)
command -v node >/dev/null || need+=(nodejs)
command -v npm >/dev/null || need+=(npm)
if [ ${#need[@]} -gt 0 ]; then
  echo "installing: ${need[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi

# What others have written and our tests hold themselves against, from npm at
# exact versions, in a cache outside the tree.
npm_packages=(
  fhirpath@5.1.1                # HL7's FHIRPath, against which search values are compared
  hl7.fhir.r4.examples@4.0.1    # all official examples and definitions of FHIR R4
  fhir-kit-client@2.0.3         # FHIR clients that use the running server
  fhirclient@2.6.3
  @medplum/core@5.2.13
  @medplum/hl7@5.0.10           # HL7 v2 sender over MLLP
)
export TEST_FHIR_PACKAGES="${XDG_CACHE_HOME:-$HOME/.cache}/yilian/npm"
mkdir -p "$TEST_FHIR_PACKAGES"
npm install --prefix "$TEST_FHIR_PACKAGES" --prefer-offline --no-audit --no-fund --loglevel=error "${npm_packages[@]}" >/dev/null

# A PostgreSQL for this run only, in a folder that disappears with it.
pgbin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
pgdir=$(mktemp -d /tmp/yilian-pg.XXXXXX)
port=$(( 20000 + RANDOM % 20000 ))
as_postgres() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  chown postgres "$pgdir"
  as_postgres() { su postgres -s /bin/bash -c "$(printf '%q ' "$@")"; }
fi
stop_postgres() {
  as_postgres "$pgbin/pg_ctl" -D "$pgdir/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$pgdir"
}
trap stop_postgres EXIT
as_postgres "$pgbin/initdb" -D "$pgdir/data" -A trust -U postgres --locale=C.UTF-8 -E UTF8 >/dev/null
as_postgres "$pgbin/pg_ctl" -D "$pgdir/data" -l "$pgdir/log" -w \
  -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$pgdir -c max_connections=400 -c shared_buffers=256MB" start >/dev/null

export TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
export TEST_BOTH=1
export TEST_BROWSER=/usr/bin/chromium

# Property tests draw from one seed, so that a commit gets the same verdict
# everywhere. RAPID_SEED=0 draws anew: for who has time to look at what it finds.
export RAPID_SEED="${RAPID_SEED:-20261128}"

echo "== format, tidy, linter"
make lint
echo "== tests on SQLite and PostgreSQL, in the browser, and with kills"
go test -count=1 -timeout 40m ./...
