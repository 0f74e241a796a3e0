#!/bin/sh
#SBATCH --requeue
# One part of the merge of a build, as an element of a Slurm array; see slurm-task.sh.
set -eu
exec "${STELE:-stele}" build "$KEYSPACE" --merge --out "$URL" \
  --task "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --workers "${SLURM_CPUS_PER_TASK:-1}" -o json
