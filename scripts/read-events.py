"""Prints the scalars of a TensorBoard folder as JSON, read by TensorBoard itself: {run: {tag: [[step, value], …]}, hparams}.

    python scripts/read-events.py FOLDER
"""
import json
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

runs = {}
hparams = {}
for folder, _, files in os.walk(sys.argv[1]):
    if not any("tfevents" in name for name in files):
        continue
    reader = EventAccumulator(folder)
    reader.Reload()
    name = os.path.relpath(folder, sys.argv[1])
    runs[name] = {tag: [[e.step, e.value] for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    for tag, content in reader.summary_metadata.items():
        if content.plugin_data.plugin_name == "hparams":
            data = plugin_data_pb2.HParamsPluginData.FromString(content.plugin_data.content)
            start = data.session_start_info
            if start.hparams:
                hparams["values"] = {
                    key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()
                }
            if data.HasField("session_end_info"):
                hparams["status"] = data.session_end_info.status
            if data.HasField("experiment"):
                hparams["infos"] = [info.name for info in data.experiment.hparam_infos]
print(json.dumps({"runs": runs, "hparams": hparams}))
