# Reads with redis-py as a cluster client until its input ends: KEYS_FILE PORT...
# Prints "reading" after a first round, then a line for each read that failed or was slow: when it ended, on the
# system's monotonic clock in milliseconds, how long it took, and of what it failed. In the end what it has read.

import json
import logging
import sys
import threading
import time

import redis
from redis.cluster import ClusterNode, RedisCluster

SLOW_MS = 250

logging.disable(logging.CRITICAL)
with open(sys.argv[1]) as file:
    expected = json.load(file)
nodes = [ClusterNode("LOCALHOST", int(port)) for port in sys.argv[2:]]
# As docs/redis.md has it.
cluster = RedisCluster(
    startup_nodes=nodes,
    dynamic_startup_nodes=False,
    socket_timeout=0.2,
    read_from_replicas=True,
    decode_responses=True,
)
ended = threading.Event()


def wait_for_end():
    sys.stdin.read()
    ended.set()


def problem_of(key):
    try:
        return "" if cluster.get(key) == expected[key] else "a wrong value"
    except redis.exceptions.RedisError as error:
        return repr(error)


for key in expected:
    if problem_of(key):
        sys.exit(f"{key} cannot be read: {problem_of(key)}")
print("reading", flush=True)
threading.Thread(target=wait_for_end, daemon=True).start()
reads = 0
while not ended.is_set():
    for key in expected:
        if ended.is_set():
            break
        started_ms = time.monotonic() * 1000
        problem = problem_of(key)
        ended_ms = time.monotonic() * 1000
        reads += 1
        if problem or ended_ms - started_ms > SLOW_MS:
            print(f"{ended_ms:.0f} {ended_ms - started_ms:.0f} {problem}", flush=True)
        time.sleep(0.001)
print(f"read {reads}", flush=True)
