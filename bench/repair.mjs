// npm run bench -- repair [--rows N --datanodes N --profile FOLDER]
//
// One of several datanodes is lost for good: how fast its copies are made again on the others, from the first byte
// that arrives until everything is GREEN (fetched, written, synced, verified), without a limit, without readers,
// and what of it is processor time. All on one machine: the bytes are sent and received by the same cores.

import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  addressesIn,
  cpuSeconds,
  machine,
  main,
  markdownTable,
  run,
  start,
  stop,
  tempFolder,
} from './support.mjs';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '2500000' },
    datanodes: { type: 'string', default: '5' },
    'value-bytes': { type: 'string', default: '980' },
    profile: { type: 'string' },
  },
});
const rowCount = Number(values.rows);
const POLL_MS = 20;
const GREEN_MS_MAX = 300_000;

const folder = tempFolder();
const ports = ['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'];
const quiet = { env: { ...process.env, STELE_LOG_LEVEL: 'error' } };

async function startRole(role, name, flags) {
  const profile =
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  const args = [...profile, main, role, ...ports, '--data-dir', join(folder, name), ...flags];
  const child = await start(process.execPath, args, /^.* pid \d+ http .*$/m, quiet);
  const [{ grpc, http, pid }] = addressesIn(child.printed);
  return { child, grpc, http, pid };
}

async function writeRows(path) {
  const file = createWriteStream(path);
  const value = 'x'.repeat(Number(values['value-bytes']));
  for (let row = 0; row < rowCount; row += 1000) {
    const lines = Array.from({ length: 1000 }, (_, at) => `key-${row + at} ${row + at}|${value}\n`);
    if (!file.write(lines.join(''))) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

async function get(path) {
  const response = await fetch(`http://127.0.0.1:${master.http}${path}`);
  return response.json();
}

/** Bytes of segments on all datanodes that answer. */
async function heldBytes() {
  const { nodes } = await get('/v1/nodes');
  return nodes
    .filter(({ state }) => state === 'SERVING')
    .reduce((sum, { segment_bytes: bytes }) => sum + bytes, 0);
}

const master = await startRole('master', 'master', [
  ...['--repair-delay', '1s', '--repair-bytes-per-second', '0', '--replication', '2'],
  ...['--shards', '128', '--heartbeat-interval', '500ms'],
]);
const at = `127.0.0.1:${master.grpc}`;
const datanodes = [];
for (let number = 0; number < Number(values.datanodes); number++) {
  const id = `node-${number}`;
  datanodes.push(await startRole('datanode', id, ['--id', id, '--master', at]));
}
const input = join(folder, 'rows.data');
await writeRows(input);
run(process.execPath, [main, 'load', 'bench', input, '--master', at, '-o', 'json']);
run(process.execPath, [main, 'status', '--wait', 'green', '--timeout', '60s', '--master', at]);
// The page cache writes the load's files meanwhile.
await sleep(5000);

const wholeBytes = await heldBytes();
const [lost, ...left] = datanodes;
lost.child.removeAllListeners('exit');
await stop(lost.child, 'SIGKILL');
while ((await get('/v1/cluster/health')).status === 'green') await sleep(POLL_MS);
const lostBytes = wholeBytes - (await heldBytes());
const before = await heldBytes();
while ((await heldBytes()) === before) await sleep(POLL_MS);
const startedMs = performance.now();
const all = [master, ...left];
const cpuBefore = all.map(({ pid }) => cpuSeconds(pid));
let status;
while (status !== 'green') {
  if (performance.now() - startedMs > GREEN_MS_MAX) throw new Error('not GREEN in time');
  await sleep(POLL_MS);
  ({ status } = await get('/v1/cluster/health'));
}
const tookMs = performance.now() - startedMs;
const cpu = all.reduce((sum, { pid }, index) => sum + cpuSeconds(pid) - cpuBefore[index], 0);
for (const { child } of all) {
  child.removeAllListeners('exit');
  await stop(child);
}
console.log(`${rowCount} rows, ${values.datanodes} datanodes, RF 2; ${machine()}.\n`);
console.log(
  markdownTable(
    ['copied again', 'took', 'rate', 'processor time', 'of all cores'],
    [
      [
        `${(lostBytes / 1e6).toFixed(0)} MB`,
        `${(tookMs / 1000).toFixed(2)} s`,
        `${(lostBytes / 1000 / tookMs).toFixed(0)} MB/s`,
        `${((cpu * 1e9) / lostBytes).toFixed(1)} s per GB`,
        `${((cpu * 1e5) / tookMs / 2).toFixed(0)}%`,
      ],
    ],
  ),
);
process.exit(0);
