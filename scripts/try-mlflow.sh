#!/bin/bash
# Trains against a real MLflow tracking server on loopback and compares what it holds with metrics.jsonl, and reads the
# event files with TensorBoard. Needs a Python that has both: PYTHON=/path/to/python scripts/try-mlflow.sh FEATURES.safetensors
set -euo pipefail
python=${PYTHON:-python3}
features=${1:?name a features file}
here=$(dirname "$0")
folder=$(mktemp -d)
port=${PORT:-5917}
"$python" -m mlflow server --host 127.0.0.1 --port "$port" --workers 1 --backend-store-uri "sqlite:///$folder/mlflow.db" \
  --artifacts-destination "$folder/artifacts" >"$folder/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
for _ in $(seq 120); do
  curl -sf "http://127.0.0.1:$port/health" >/dev/null && break
  sleep 1
done
node "$here/../dist/cli/index.js" train --features "$features" --out "$folder/run" --solver adamw --epochs 30 --calibrate \
  --tensorboard --mlflow "http://127.0.0.1:$port" --mlflow-experiment try
"$python" "$here/check-tracking.py" "http://127.0.0.1:$port" try "$folder/run"
