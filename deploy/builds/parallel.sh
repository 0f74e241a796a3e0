#!/bin/sh
# Builds a dataset with GNU parallel, on one machine or, with --sshloginfile in PARALLEL, on several.
#
#     deploy/builds/parallel.sh KEYSPACE URL TASKS INPUT_AND_FLAGS...
#     deploy/builds/parallel.sh prices file:///mnt/builds/prices 8 '/mnt/data/*.csv' --key sku
#
# A task that fails is tried three times. What is done is not done again, so the same command goes on.
set -eu
keyspace=$1 url=$2 tasks=$3
shift 3
stele=${STELE:-stele}

seq "$tasks" | parallel --quote --jobs "${JOBS:-100%}" --retries 3 --halt now,fail=1 \
  "$stele" build "$keyspace" "$@" --workers 1 --task "{}/$tasks" --out "$url" -o json
"$stele" build "$keyspace" --merge --out "$url"
