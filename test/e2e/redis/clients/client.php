<?php
// Reads a cluster with phpredis, plain and as a cluster client: FILE MASTER_PORT DATANODE_PORT...
// Prints "as expected", or what is not.

$expected = json_decode(file_get_contents($argv[1]), true);
$master = (int) $argv[2];
$nodes = array_map(fn ($port) => "127.0.0.1:$port", array_slice($argv, 3));
$tagged = ['{tag}1', '{tag}2', '{tag}none'];
$values = array_map(fn ($key) => $expected[$key] ?? false, $tagged);

function check($what, $condition) {
    if (!$condition) exit("$what is not as expected\n");
}

function sorted($keys) {
    sort($keys, SORT_STRING);
    return $keys;
}

function readKeys($name, $client, $expected, $tagged, $values) {
    foreach (array_slice($expected, 0, 200, true) as $key => $value) {
        check("$name get", $client->get($key) === $value);
    }
    check("$name mget", $client->mget($tagged) === $values);
    $multi = $client->multi();
    foreach ($tagged as $key) $multi->get($key);
    check("$name multi", $client->exec() === $values);
    check("$name goes on", $client->get('{tag}1') === $expected['{tag}1']);
    try {
        check("$name set", $client->set('a', 'b') === false && str_contains($client->getLastError(), 'immutable'));
    } catch (RedisException | RedisClusterException $e) {
        check("$name set", str_contains($e->getMessage(), 'immutable'));
    }
}

$plain = new Redis();
$plain->connect('127.0.0.1', $master);
readKeys('plain', $plain, $expected, $tagged, $values);
$plain->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
$found = [];
for ($cursor = null; ($page = $plain->scan($cursor, '*', 100)) !== false;) $found = array_merge($found, $page);
check('plain scan', sorted($found) === sorted(array_keys($expected)));
check('plain dbsize', $plain->dbSize() === count($expected));

$cluster = new RedisCluster(null, $nodes);
readKeys('cluster', $cluster, $expected, $tagged, $values);
$cluster->setOption(RedisCluster::OPT_SCAN, RedisCluster::SCAN_RETRY);
$found = [];
$size = 0;
foreach ($cluster->_masters() as $node) {
    for ($cursor = null; ($page = $cluster->scan($cursor, $node, '*', 100)) !== false;) $found = array_merge($found, $page);
    $size += $cluster->dbSize($node);
}
check('cluster scan', sorted($found) === sorted(array_keys($expected)));
check('cluster dbsize', $size === count($expected));
echo "as expected\n";
