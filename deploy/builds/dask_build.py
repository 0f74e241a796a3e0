"""Builds a dataset on the workers of a Dask cluster.

    python3 dask_build.py SCHEDULER KEYSPACE URL TASKS INPUT_AND_FLAGS...
    python3 dask_build.py tcp://10.0.0.5:8786 prices s3://builds/prices 8 's3://data/*.parquet' --key sku

Every worker needs `stele` on its PATH (or STELE), the input, and the store. A task that fails, or
whose worker is gone, runs again elsewhere; what was stored stays.
"""

import os
import subprocess
import sys

from distributed import Client

STELE = os.environ.get("STELE", "stele").split()
RETRIES = 3


def build(keyspace, url, part, more):
    command = [*STELE, "build", keyspace, "--out", url, "--task", part, "-o", "json", *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"task {part} ended with {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()[-1]


def main():
    scheduler, keyspace, url, tasks, *more = sys.argv[1:]
    with Client(scheduler) as client:
        for flags, count in ((more, int(tasks)), (["--merge"], min(int(tasks), 4))):
            parts = [f"{number}/{count}" for number in range(1, count + 1)]
            futures = [
                client.submit(build, keyspace, url, part, flags, pure=False, retries=RETRIES)
                for part in parts
            ]
            for summary in client.gather(futures):
                print(summary)


main()
