// Lookups by Redis protocol beside redis-server with the same data, driven by the same redis-benchmark,
// alternating: straight at a datanode, and through the master (beside twemproxy). Throughput, and the
// server's CPU for an operation from the operating system's accounting. Then memory a key, latency at
// half of the peak rate, and a cold start.
//
//   npm run bench -- read          STELE_BENCH_ROUNDS, STELE_BENCH_ROWS, STELE_BENCH_PARTS
//
// Needs redis-server, redis-cli and redis-benchmark; nutcracker (twemproxy) for one row.

import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  addressesIn,
  cpuSeconds,
  freePort,
  has,
  machine,
  main,
  markdownTable,
  median,
  project,
  residentBytes,
  run,
  start,
  stop,
  tempFolder,
} from './support.mjs';

const rounds = Number(process.env.STELE_BENCH_ROUNDS ?? 5);
const rows = Number(process.env.STELE_BENCH_ROWS ?? 1_000_000);
const parts = (process.env.STELE_BENCH_PARTS ?? 'direct,sizes,master,latency,start').split(',');
const KEY_BYTES = 16;
const VALUE_BYTES = 100;

if (!has('redis-server', 'redis-server') || !has('redis-benchmark', 'redis-tools')) process.exit(0);
const folder = tempFolder();
const quiet = { env: { ...process.env, STELE_LOG_LEVEL: 'error' } };

/** With the tagged keys. */
const allRows = (count) => count * 1.1;

/** `count` rows `key:000000000000 value`, the keys that redis-benchmark asks for, and the tagged ones. */
function writeRows(name, count, valueBytes) {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  const value = 'x'.repeat(valueBytes);
  const total = allRows(count);
  for (let row = 0; row < total;) {
    let text = '';
    for (; row < total && text.length < 1 << 20; row++) text += `${keyOf(row, count)} ${value}\n`;
    writeSync(file, text);
  }
  closeSync(file);
  return path;
}

/** Behind the `count` rows there are a tenth as many whose keys are all in one slot, for MGET. */
function keyOf(row, count) {
  const [prefix, number] = row < count ? ['key:', row] : ['{t}:', row - count];
  return `${prefix}${String(number).padStart(KEY_BYTES - 4, '0')}`;
}

/** Fills a redis-server by pipe, as `redis-cli --pipe` takes it. */
function fillRedis(port, count, valueBytes) {
  return new Promise((resolve, reject) => {
    const cli = spawn('redis-cli', ['-p', String(port), '--pipe'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    cli.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`redis-cli --pipe ended with ${code}`)),
    );
    const value = 'x'.repeat(valueBytes);
    const total = allRows(count);
    let row = 0;
    const more = () => {
      while (row < total) {
        let text = '';
        for (; row < total && text.length < 1 << 20; row++) {
          text += `*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\n${keyOf(row, count)}\r\n$${valueBytes}\r\n${value}\r\n`;
        }
        if (!cli.stdin.write(text)) return cli.stdin.once('drain', more);
      }
      cli.stdin.end();
    };
    more();
  });
}

async function startRedis(dataFolder) {
  const port = await freePort();
  const args = ['--port', String(port), '--save', '', '--dir', dataFolder];
  const child = await start('redis-server', args, /eady to accept/);
  return { child, port, pid: child.pid };
}

/** A master and one datanode, each a process of its own. */
async function startStele(name) {
  const portFlags = ['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'];
  const masterFlags = [...portFlags, '--replication', '1', '--data-dir', join(folder, name)];
  const master = await start(
    process.execPath,
    [main, 'master', ...masterFlags],
    /^master .*$/m,
    quiet,
  );
  const [masterAt] = addressesIn(master.printed);
  const datanodeArgs = [
    ...[main, 'datanode', '--id', 'node-0', '--master', `127.0.0.1:${masterAt.grpc}`],
    ...[...portFlags, '--data-dir', join(folder, `${name}-node`)],
  ];
  const startDatanode = () =>
    start(process.execPath, datanodeArgs, /^(stele )?datanode .*$/m, quiet);
  const datanode = await startDatanode();
  const [datanodeAt] = addressesIn(datanode.printed);
  return { master, masterAt, datanode, datanodeAt, startDatanode };
}

function loadStele({ masterAt }, path, keyspace = 'default') {
  const target = ['--master', `127.0.0.1:${masterAt.grpc}`, '--work-dir', join(folder, 'work')];
  run(process.execPath, [main, 'load', keyspace, path, ...target, '-o', 'json'], quiet);
}

/** One run of redis-benchmark: operations a second, and the server's CPU nanoseconds for one. */
function measure({ port, pid }, { operations, pipeline, keys, command }) {
  const before = cpuSeconds(pid);
  const printed = run('redis-benchmark', [
    ...['-p', String(port), '-c', '50', '-n', String(operations), '-r', String(keys)],
    ...['-P', String(pipeline), '--csv', ...command],
  ]);
  const rate = Number(printed.trim().split('\n').at(-1).split(',')[1].replaceAll('"', ''));
  return { rate, cpuNs: ((cpuSeconds(pid) - before) * 1e9) / operations };
}

const GET = ['GET', 'key:__rand_int__'];

/** Rounds of every contender in turn; a row of the table for each, beside the first. */
function compare(title, contenders, work) {
  const results = contenders.map(() => []);
  for (const contender of contenders) measure(contender, work);
  for (let round = 0; round < rounds; round++) {
    contenders.forEach((contender, index) => results[index].push(measure(contender, work)));
  }
  const rates = results.map((all) => median(all.map(({ rate }) => rate)));
  const cpus = results.map((all) => median(all.map(({ cpuNs }) => cpuNs)));
  contenders.forEach(({ name }, index) =>
    table.push([
      title,
      name,
      Math.round(rates[index]).toLocaleString('en'),
      (rates[index] / rates[0]).toFixed(2),
      Math.round(cpus[index]).toLocaleString('en'),
      (cpus[index] / cpus[0]).toFixed(2),
    ]),
  );
  return rates;
}

const table = [];
const redis = await startRedis(folder);
const stele = await startStele('small');
// The first load compiles what later ones use, and starts what they need.
loadStele(stele, writeRows('warm.data', rows / 50, VALUE_BYTES), 'warm');
const before = { redis: residentBytes(redis.pid), stele: residentBytes(stele.datanodeAt.pid) };
await fillRedis(redis.port, rows, VALUE_BYTES);
loadStele(stele, writeRows('rows.data', rows, VALUE_BYTES));
const redisServer = { name: 'redis-server', port: redis.port, pid: redis.pid };
const datanode = { name: 'datanode', port: stele.datanodeAt.resp, pid: stele.datanodeAt.pid };
const direct = [redisServer, datanode];

let unpipelinedRate = 0;
if (parts.includes('direct')) {
  const work = (operations, pipeline) => ({ operations, pipeline, keys: rows, command: GET });
  [unpipelinedRate] = compare('GET, pipeline 1', direct, work(250_000, 1));
  compare('GET, pipeline 16', direct, work(2_000_000, 16));
  compare('GET, pipeline 128', direct, work(3_000_000, 128));
  const absent = ['GET', 'absent:__rand_int__'];
  compare('GET of absent keys, pipeline 16', direct, { ...work(2_000_000, 16), command: absent });
  const mget = ['MGET', ...Array.from({ length: 100 }, () => '{t}:__rand_int__')];
  compare('MGET of 100 keys', direct, { ...work(20_000, 1), keys: rows / 10, command: mget });
}

if (parts.includes('master')) {
  const contenders = [redisServer, { ...datanode, name: 'master', port: stele.masterAt.resp }];
  // The master works on behalf of the client, and the datanode for it: both are counted.
  contenders[1].pid = stele.masterAt.pid;
  let proxy;
  if (has('nutcracker', 'nutcracker')) {
    const port = await freePort();
    const config = join(folder, 'nutcracker.yml');
    writeFileSync(
      config,
      `bench:\n  listen: 127.0.0.1:${port}\n  redis: true\n  distribution: ketama\n  hash: fnv1a_64\n  servers:\n   - 127.0.0.1:${redis.port}:1\n`,
    );
    proxy = spawn('nutcracker', ['-c', config, '-s', String(await freePort())], {
      stdio: 'ignore',
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    contenders.push({ name: 'twemproxy + redis-server', port, pid: proxy.pid });
  }
  const work = { operations: 1_000_000, pipeline: 16, keys: rows, command: GET };
  compare('GET through a proxy, pipeline 16', contenders, work);
  proxy?.kill();
}

console.log(
  `GET and MGET, ${rows.toLocaleString('en')} keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes; redis-benchmark with 50 connections, medians of ${rounds}. ${machine()}, ${run('redis-server', ['--version']).trim().split(' ')[2].replace('v=', 'Redis ')}\n`,
);

if (parts.includes('sizes')) {
  for (const [label, valueBytes, keys] of [
    ['1 KB', 1000, 100_000],
    ['10 KB', 10_000, 20_000],
  ]) {
    const otherRedis = await startRedis(folder);
    const otherStele = await startStele(`size${valueBytes}`);
    await fillRedis(otherRedis.port, keys, valueBytes);
    loadStele(otherStele, writeRows(`rows${valueBytes}.data`, keys, valueBytes));
    const contenders = [
      { ...redisServer, port: otherRedis.port, pid: otherRedis.pid },
      { ...datanode, port: otherStele.datanodeAt.resp, pid: otherStele.datanodeAt.pid },
    ];
    const operations = valueBytes > 5000 ? 200_000 : 1_000_000;
    const work = { operations, pipeline: 16, keys, command: GET };
    compare(`GET of ${label}, pipeline 16`, contenders, work);
    await Promise.all(
      [otherRedis.child, otherStele.datanode, otherStele.master].map((p) => stop(p)),
    );
  }
}
console.log(
  markdownTable(['work', 'server', 'operations/s', 'ratio', 'CPU ns/operation', 'ratio'], table),
);

const stored = allRows(rows);
const payload = stored * (KEY_BYTES + VALUE_BYTES);
const overhead = (pid, atFirst) => ((residentBytes(pid) - atFirst - payload) / stored).toFixed(1);
console.log(
  `\nResident memory above key and value, bytes a key: redis-server ${overhead(redis.pid, before.redis)}, datanode ${overhead(datanode.pid, before.stele)}.`,
);

if (parts.includes('latency')) {
  const rate = Math.round((unpipelinedRate || 80_000) / 2);
  const results = direct.map(() => []);
  for (let round = 0; round < rounds; round++) {
    direct.forEach(({ port }, index) => {
      const script = join(project, 'bench', 'peers', 'paced-client.mjs');
      const args = [script, String(port), String(rate), '4', String(rows)];
      results[index].push(JSON.parse(run(process.execPath, args)));
    });
  }
  const rowsOf = direct.map(({ name }, index) => [
    name,
    ...['p50Ms', 'p99Ms', 'p999Ms', 'maxMs'].map((field) =>
      median(results[index].map((result) => result[field])).toFixed(2),
    ),
  ]);
  console.log(
    `\nLatency of GET at ${rate.toLocaleString('en')} requests/s, in ms, from the moment a request was due:\n`,
  );
  console.log(markdownTable(['server', 'p50', 'p99', 'p99.9', 'largest'], rowsOf));
}

if (parts.includes('start')) await compareStarts();

/** From the start of the process to the first value, files in the page cache. */
async function compareStarts() {
  const times = { redis: [], stele: [] };
  run('redis-cli', ['-p', String(redis.port), 'SAVE']);
  await stop(redis.child, 'SIGKILL');
  await stop(stele.datanode, 'SIGKILL');
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    let startedAt = performance.now();
    const again = await startRedis(folder);
    times.redis.push(performance.now() - startedAt);
    await stop(again.child, 'SIGKILL');
    startedAt = performance.now();
    const node = await stele.startDatanode();
    const [{ resp }] = addressesIn(node.printed);
    while (!serves(resp)) await new Promise((resolve) => setTimeout(resolve, 10));
    times.stele.push(performance.now() - startedAt);
    await stop(node, 'SIGKILL');
  }
  const [byRedis, byStele] = [median(times.redis), median(times.stele)];
  console.log(
    `\nFrom start to the first value, ${rows.toLocaleString('en')} keys, files in the page cache: redis-server (RDB) ${(byRedis / 1000).toFixed(2)} s, datanode ${(byStele / 1000).toFixed(2)} s, ratio ${(byStele / byRedis).toFixed(2)}.`,
  );
}

function serves(port) {
  return run('redis-cli', ['-p', String(port), 'GET', keyOf(1, rows)]).startsWith('x');
}
process.exit(0);
