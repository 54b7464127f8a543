#!/usr/bin/env bash
# A proxy of simulated models, and schemathesis against what it publishes: no 5xx, no hang, nothing undocumented.
# What is valid by the document may still be refused (a model that isn't configured), and null counts as absent.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$(mktemp -d)
port=${PORT:-8199}
KEY=sk-openapi LEVELHEAD_HOME="$home" .venv/bin/levelhead serve --port "$port" --config /dev/stdin >"$home/out" <<'YAML' &
models:
  small: {tier: efficient, wire: simulated, model: sim-efficient, price: {input: 0.3, output: 1.2}}
  large: {tier: strong, wire: simulated, model: sim-strong, price: {input: 3, output: 15}}
keys: [{name: team, key_env: KEY}]
budgets: [{scope: key, usd: 1000000}]
YAML
proxy=$!
trap 'kill $proxy; rm -rf "$home"' EXIT
until grep -q ready "$home/out"; do kill -0 $proxy; sleep 0.2; done
.venv-openapi/bin/schemathesis run "http://127.0.0.1:$port/openapi.json" -H "authorization: Bearer sk-openapi" \
  --checks all --exclude-checks ignored_auth,positive_data_acceptance,negative_data_rejection \
  --max-response-time 10 --request-timeout 20 --continue-on-failure --seed 1 --phases coverage,fuzzing \
  --warnings off --no-color "$@"
