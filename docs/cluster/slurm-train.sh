#!/bin/bash
# Trains on the features that slurm-cache.sh left; what a failed task did not compute is computed here.
#
#   BACKBONE=… DATA=… CACHE=… RUN=… sbatch --dependency=afterany:JOB slurm-train.sh
#SBATCH --job-name=graft-train
#SBATCH --cpus-per-task=1
set -euo pipefail
graft train --backbone "$BACKBONE" --data "$DATA" --cache "$CACHE" --out "$RUN" --threads "$SLURM_CPUS_PER_TASK" --json
