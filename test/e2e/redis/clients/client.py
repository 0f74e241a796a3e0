# Reads a cluster with redis-py, plain and as a cluster client: FILE MASTER_PORT DATANODE_PORT.
# Prints "as expected", or what is not.

import json
import sys

import redis
from redis.cluster import ClusterNode, RedisCluster

with open(sys.argv[1]) as file:
    expected = json.load(file)
master_port, datanode_port = int(sys.argv[2]), int(sys.argv[3])
keys = list(expected)
values = [expected[key] for key in keys]


def check(what, condition):
    if not condition:
        sys.exit(f"{what} is not as expected")


def refused(what, call, message):
    try:
        call()
    except redis.exceptions.ResponseError as error:
        check(what, message in str(error))
    else:
        check(what, False)


plain = redis.Redis(port=master_port, decode_responses=True)
check("get", [plain.get(key) for key in keys[:200]] == values[:200])
check("mget", plain.mget(keys) == values)
pipeline = plain.pipeline(transaction=False)
for key in keys:
    pipeline.get(key)
check("pipeline", pipeline.execute() == values)
check("scan_iter", sorted(plain.scan_iter(count=100)) == sorted(keys))
check("scan_iter match", sorted(plain.scan_iter(match="key-1?")) == [f"key-1{n}" for n in range(10)])
check("info", plain.info()["db0"]["keys"] == len(keys))
check("dbsize", plain.dbsize() == len(keys))
check("randomkey", plain.randomkey() in expected)
check("type", plain.type("key-1") == "string")
check("client_setname", plain.client_setname("python") and plain.client_getname() == "python")
check("command", "get" in plain.command())
refused("set", lambda: plain.set("a", "b"), "immutable")
check("transaction", plain.pipeline().get("key-1").get("none").execute() == [expected["key-1"], None])

named = redis.Redis(port=master_port, username="edges", password="any", decode_responses=True)
check("keyspace by user", named.get("another of {tag}") == "2")

nodes = [ClusterNode("127.0.0.1", datanode_port)]
cluster = RedisCluster(startup_nodes=nodes, decode_responses=True, read_from_replicas=True)
check("cluster get", [cluster.get(key) for key in keys[:200]] == values[:200])
pipeline = cluster.pipeline()
for key in keys:
    pipeline.get(key)
check("cluster pipeline", pipeline.execute() == values)
check("cluster mget_nonatomic", cluster.mget_nonatomic(keys) == values)
check("cluster scan_iter", sorted(cluster.scan_iter(count=100)) == sorted(keys))
check("cluster dbsize", cluster.dbsize(target_nodes=RedisCluster.PRIMARIES) == len(keys))
cluster = RedisCluster(startup_nodes=nodes, username="edges", password="any", decode_responses=True)
check("cluster keyspace by user", cluster.get("another of {tag}") == "2")
print("as expected")
