// HTTP lookups through the master beside fastify + ioredis + redis-server with the same keys, driven
// by the same wrk, alternating. Needs redis-server, redis-cli and wrk.
//
//   npm run bench -- http          STELE_BENCH_ROUNDS, STELE_BENCH_SECONDS, STELE_BENCH_ROWS

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  freePort,
  has,
  machine,
  markdownTable,
  median,
  project,
  run,
  start,
  startCluster,
  stop,
  tempFolder,
} from './support.mjs';

const rounds = Number(process.env.STELE_BENCH_ROUNDS ?? 5);
const seconds = Number(process.env.STELE_BENCH_SECONDS ?? 4);
const rows = Number(process.env.STELE_BENCH_ROWS ?? 200_000);

if (!has('wrk', 'wrk') || !has('redis-server', 'redis-server')) process.exit(0);
const folder = tempFolder();
const data = join(folder, 'rows.data');
run(process.execPath, [
  join(project, 'data', 'generate.mjs'),
  ...['--rows', String(rows), '--seed', '7', '--value-bytes', '70', '--out', data],
]);

/** wrk asks for random keys of the file: 20,000 of them, the same for everybody. */
function wrkScript(prefix) {
  const keys = readFileSync(data, 'latin1')
    .split('\n')
    .slice(0, 20_000)
    .map((line) => line.slice(0, 36));
  const path = join(folder, `keys${prefix.length}.lua`);
  writeFileSync(
    path,
    `local keys = {${keys
      .filter(Boolean)
      .map((key) => `"${key}"`)
      .join(',')}}
request = function() return wrk.format("GET", "${prefix}" .. keys[math.random(#keys)]) end
done = function(summary, latency) io.write(string.format("RESULT %f %f %f %d\\n",
  summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
  summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout)) end
`,
  );
  return path;
}

function wrk(port, script, connections) {
  const output = run('wrk', [
    ...['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', script],
    `http://127.0.0.1:${port}`,
  ]);
  const [, rate, p50, p99, errors] = /RESULT (\S+) (\S+) (\S+) (\S+)/.exec(output);
  if (errors !== '0') throw new Error(`wrk met ${errors} errors`);
  return { rate: Number(rate), p50Ms: Number(p50), p99Ms: Number(p99) };
}

const redisPort = await freePort();
const redis = await start(
  'redis-server',
  ['--port', String(redisPort), '--save', ''],
  /eady to accept/,
);
const protocol = readFileSync(data, 'latin1')
  .split('\n')
  .filter(Boolean)
  .map(
    (line) =>
      `*3\r\n$3\r\nSET\r\n$36\r\n${line.slice(0, 36)}\r\n$${line.length - 37}\r\n${line.slice(37)}\r\n`,
  )
  .join('');
run('redis-cli', ['-p', String(redisPort), '--pipe'], { input: protocol });
const peer = await start(
  process.execPath,
  [join(project, 'bench', 'peers', 'fastify-ioredis.mjs'), String(redisPort)],
  /listening \d+/,
);
const peerPort = Number(/listening (\d+)/.exec(peer.printed)[1]);

async function startStele(name, flags) {
  const load = ['--load', `bench=${data}`];
  const { child, master } = await startCluster(join(folder, name), [...load, ...flags]);
  return { child, port: master.http };
}

const cached = await startStele('cached', []);
const uncached = await startStele('uncached', ['--cache-max', '0']);
const contenders = [
  { name: 'fastify + ioredis + redis-server', port: peerPort, script: wrkScript('/keys/') },
  { name: 'Stele, cache on', port: cached.port, script: wrkScript('/v1/keyspaces/bench/keys/') },
  { name: 'Stele, cache off', port: uncached.port, script: wrkScript('/v1/keyspaces/bench/keys/') },
];

const table = [];
for (const connections of [50, 1]) {
  const results = new Map(contenders.map(({ name }) => [name, []]));
  for (const { port, script } of contenders) wrk(port, script, connections);
  for (let round = 0; round < rounds; round++) {
    for (const { name, port, script } of contenders)
      results.get(name).push(wrk(port, script, connections));
  }
  const base = median(results.get(contenders[0].name).map(({ rate }) => rate));
  for (const [name, all] of results) {
    const rate = median(all.map((result) => result.rate));
    table.push([
      connections,
      name,
      Math.round(rate).toLocaleString('en'),
      (rate / base).toFixed(2),
      median(all.map((result) => result.p50Ms)).toFixed(2),
      median(all.map((result) => result.p99Ms)).toFixed(2),
    ]);
  }
}

console.log(
  `HTTP GET, ${rows} keys of 36 bytes, values of 70 bytes; 3 datanodes, RF 2; medians of ${rounds} rounds of ${seconds} s. ${machine()}\n`,
);
console.log(
  markdownTable(['connections', 'stack', 'requests/s', 'ratio', 'p50 ms', 'p99 ms'], table),
);
await Promise.all([stop(cached.child), stop(uncached.child), stop(peer), stop(redis)]);
process.exit(0);
