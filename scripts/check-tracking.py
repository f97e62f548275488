"""Compares what an MLflow server and TensorBoard read with a run's own metrics.jsonl.

    python scripts/check-tracking.py ADDRESS EXPERIMENT RUN
"""
import json
import pathlib
import subprocess
import sys

import mlflow

address, experiment, folder = sys.argv[1:]
run = pathlib.Path(folder)
epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
client = mlflow.MlflowClient(address)
[found] = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
assert found.info.status == "FINISHED", found.info.status
assert found.info.run_name == run.name
assert found.data.params["solver"] == "adamw", found.data.params
board = json.loads(subprocess.run([sys.executable, str(pathlib.Path(__file__).parent / "read-events.py"), str(run / "tensorboard")], check=True, capture_output=True, text=True).stdout)
for part in ("train", "validation"):
    for figure in ("loss", "accuracy"):
        wanted = [[e["epoch"], e[part][figure]] for e in epochs]
        history = sorted([m.step, m.value] for m in client.get_metric_history(found.info.run_id, f"{part}/{figure}"))
        assert history == wanted, (part, figure, history[:3], wanted[:3])
        read = board["runs"][part][figure]
        assert [s for s, _ in read] == [s for s, _ in wanted]
        assert all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(read, wanted)), (part, figure)
assert board["hparams"]["values"]["solver"] == "adamw" and board["hparams"]["status"] == 1, board["hparams"]
artifacts = sorted(a.path for a in client.list_artifacts(found.info.run_id))
assert "result.json" in artifacts, artifacts
print(f"MLflow and TensorBoard agree with metrics.jsonl over {len(epochs)} epochs; artifacts: {', '.join(artifacts)}")
