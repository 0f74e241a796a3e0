#!/bin/sh
#SBATCH --requeue
# One task of a build, as an element of a Slurm array. The merge waits for all of them:
#
#     export KEYSPACE=prices URL=file:///mnt/builds/prices
#     tasks=$(sbatch --parsable --array=1-8 slurm-task.sh '/mnt/data/*.csv' --key sku)
#     sbatch --dependency=afterok:"$tasks" --array=1-4 slurm-merge.sh
#
# An element that failed: `scontrol requeue JOB_INDEX`, or the same --array with its index alone and
# TASKS=8. An array from 0 does, too, as task 0 of 8 is task 8.
set -eu
tasks=${TASKS:-$SLURM_ARRAY_TASK_COUNT}
exec "${STELE:-stele}" build "$KEYSPACE" "$@" --out "$URL" \
  --task "$SLURM_ARRAY_TASK_ID/$tasks" --workers "${SLURM_CPUS_PER_TASK:-1}" -o json
