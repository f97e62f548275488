#!/bin/bash
# Fills one feature store from many nodes: each task of the array takes its part of the photos.
# BACKBONE, DATA and CACHE are paths that every node sees.
#
#   BACKBONE=… DATA=… CACHE=… sbatch --array=0-15 slurm-cache.sh
#SBATCH --job-name=graft-cache
#SBATCH --cpus-per-task=1
set -euo pipefail
graft cache --backbone "$BACKBONE" --data "$DATA" --cache "$CACHE" --threads "$SLURM_CPUS_PER_TASK" --json
