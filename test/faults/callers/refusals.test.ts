// What must be refused or discarded, and do no harm: a checkpoint of another load (row 16), a
// second master (row 19), a load that does not fit into memory (row 21), worker threads that die
// (row 22).

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { summaryOf } from '../../support/process/cluster.ts';
import { FaultCluster, killNow, KEYSPACE } from '../../support/faults/fault-cluster.ts';
import { handOver, seconds } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { generateSample } from '../../support/inputs/rows.ts';
import {
  ANY_PORTS,
  flags,
  isRunning,
  builtModule,
  stele,
  SteleProcess,
  until,
} from '../../support/process/stele-process.ts';

const ROWS = SHORT ? 100_000 : 400_000;
const FLAGS = ['--chunk-size', '128KiB'];
const TRIES = 10;
/** Half of --memory-max. */
const DATA_MIB = 80;
const folder = mkdtempSync(join(tmpdir(), 'stele-refusals-'));
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start({
    masterFlags: ['--repair-delay', '60s'],
    datanodeFlags: flags({ 'memory-max': `${2 * DATA_MIB}MiB` }),
  });
}, 120_000);

afterAll(async () => {
  await faults?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** The checkpoint of the only interrupted load. */
function checkpoint(): string {
  const work = join(faults.cluster.folder, 'work');
  const [name] = readdirSync(work);
  return join(work, name ?? '', 'checkpoint.log');
}

function hasChunk(): boolean {
  try {
    return readFileSync(checkpoint(), 'utf8').includes('"type":"chunk"');
  } catch {
    // It has not been created yet, or is just being removed.
    return false;
  }
}

/** Loads `file`, and kills the loader once some of its chunks are recorded. */
async function breakOff(keyspace: string, file: string): Promise<void> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const load = new SteleProcess(faults.cluster.loadArguments(keyspace, [file], FLAGS));
    let isOver = false;
    void load.finished().then(() => (isOver = true));
    await until('a chunk to be noted', () => isOver || hasChunk(), 30_000, 1);
    const { signal } = await load.kill();
    if (signal === 'SIGKILL' && hasChunk()) return;
    await faults.cluster.drop(keyspace);
  }
  throw new Error('every load was over before it could be killed');
}

test('a checkpoint that is not that of the load is discarded', async () => {
  const { cluster } = faults;
  const file = join(folder, 'rows.data');
  generateSample(file, ROWS, SEED);
  const { digest } = await cluster.load('undisturbed', [file], FLAGS);
  const other = join(folder, 'other.data');
  generateSample(other, ROWS, SEED + 1);
  await breakOff('spoilt', other);
  const foreign = join(folder, 'foreign.log');
  copyFileSync(checkpoint(), foreign);
  rmSync(join(cluster.folder, 'work'), { recursive: true });
  const spoilers: readonly (readonly [string, (path: string) => void])[] = [
    ['empty', (path) => writeFileSync(path, '')],
    [
      'of a later format',
      (path) =>
        writeFileSync(path, readFileSync(path, 'utf8').replace(/"format":\d+/, '"format":99')),
    ],
    ['of other data', (path) => copyFileSync(foreign, path)],
    ['noise', (path) => writeFileSync(path, Buffer.alloc(5000, 0xa5))],
  ];
  const tried = SHORT ? spoilers.slice(1, 3) : spoilers;
  for (const [what, spoil] of tried) {
    await breakOff('spoilt', file);
    const before = readFileSync(checkpoint());
    spoil(checkpoint());
    expect(readFileSync(checkpoint()).equals(before), what).toBe(false);
    const done = await stele(cluster.loadArguments('spoilt', [file], FLAGS));
    expect([what, done.code, done.code === 0 ? '' : done.stderr]).toEqual([what, 0, '']);
    expect(done.stderr, what).toMatch(/discarded/);
    expect(summaryOf(done.stdout), what).toMatchObject({ chunksResumed: 0, digest });
    expect(await cluster.digest('spoilt'), what).toBe(digest);
    await cluster.drop('spoilt');
  }
  await cluster.drop('undisturbed');
  handOver({
    row: '16',
    fault: `a loader killed, and its checkpoint ${tried.map(([what]) => what).join(', ')}`,
    trials: tried.length,
    seen: 'told as discarded, nothing taken from it; the digest of an undisturbed load each time',
  });
});

test('a second master on one data folder is refused; the lock of a dead one is taken over', async () => {
  const { cluster, summary } = faults;
  const dataDir = join(cluster.folder, 'master');
  const second = await stele(['master', ...ANY_PORTS, ...flags({ 'data-dir': dataDir })]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(String(cluster.master.pid));
  expect(isRunning(cluster.master.pid)).toBe(true);
  expect((await cluster.health()).status).toBe('green');
  await killNow(cluster, 'master');
  expect(readFileSync(join(dataDir, 'LOCK'), 'utf8')).toContain(String(cluster.master.pid));
  const startedMs = performance.now();
  await cluster.startMaster();
  await faults.whole();
  expect(await cluster.digest(KEYSPACE)).toBe(summary.digest);
  handOver({
    row: '19',
    fault: 'a second master on one data folder; kill -9 of the first, whose lock stays',
    trials: 1,
    recoverySeconds: seconds(performance.now() - startedMs),
    recovered: 'from its start to GREEN',
    seen: 'the second names the process that holds the folder; the lock was there and taken over',
  });
});

test('a load that does not fit into the memory of the datanodes is refused; the previous version is still served', async () => {
  const { cluster, ids } = faults;
  const file = join(folder, 'large.data');
  const line = Buffer.from(`${'v'.repeat(1000)}\n`);
  // More than three datanodes can hold twice.
  const count = 2 * DATA_MIB * 1024;
  writeFileSync(
    file,
    Buffer.concat(
      Array.from({ length: count }, (_, at) => Buffer.concat([Buffer.from(`large-${at} `), line])),
    ),
  );
  const reader = await faults.read();
  const pids = ids.map((id) => cluster.node(id).pid);
  const window = reader.begin();
  const done = await stele(cluster.loadArguments(KEYSPACE, [file], ['--replica-wait', '1s']));
  expect(done.code).toBe(1);
  expect(done.stderr).toMatch(/memory-max/);
  await reader.progress(1000);
  const report = window.report();
  await reader.stop();
  expect(pids.every(isRunning)).toBe(true);
  expect(await cluster.digest(KEYSPACE)).toBe(faults.summary.digest);
  handOver({
    row: '21',
    fault: `a load of ${Math.round((count * line.length) / 1e6)} MB into three datanodes of ${DATA_MIB} MiB each`,
    trials: 1,
    reads: report.reads,
    failed: report.failed,
    p99Ms: Math.round(report.p99Ms),
    seen: 'refused, and told which limit; no process ended',
  });
  expect(report.failures).toEqual([]);
});

/**
 * Runs `worker` in a pool of the built loader, with a heap that is soon full; returns the outcome
 * of the task.
 */
function poolWith(worker: string): { outcome: string; attempts: number } {
  const file = join(folder, 'worker.mjs');
  const calls = join(folder, 'calls');
  rmSync(calls, { force: true });
  writeFileSync(
    file,
    `import { appendFileSync, readFileSync } from 'node:fs';
     export function parse() {
       appendFileSync(${JSON.stringify(calls)}, 'x');
       const attempt = readFileSync(${JSON.stringify(calls)}).length;
       ${worker}
     }`,
  );
  const program = `
    const { threadPool } = await import(${JSON.stringify(builtModule('loader/threads/work-pool.ts'))});
    const log = { warn() {} };
    const pool = threadPool(${JSON.stringify(file)}, 2, log);
    const outcome = await pool.parse({}).then((done) => 'done ' + done.rowCount, (thrown) => thrown.code + ' ' + thrown.message);
    await pool.close();
    console.log(outcome);`;
  const ran = spawnSync(
    process.execPath,
    ['--max-old-space-size=64', '--input-type=module', '--eval', program],
    { encoding: 'utf8', timeout: 60_000 },
  );
  if (ran.status !== 0) throw new Error(`the process itself ended: ${ran.signal} ${ran.stderr}`);
  return { outcome: ran.stdout.trim(), attempts: readFileSync(calls).length };
}

test('a worker thread that throws, exits or runs out of memory has its task retried, three times', () => {
  const deaths = {
    throws: 'throw new Error("out of luck");',
    exits: 'process.exit(1);',
    'runs out of memory':
      'const kept = []; for (;;) kept.push(Array.from({ length: 1e5 }, (_, at) => at + 0.5));',
  };
  for (const [what, death] of Object.entries(deaths)) {
    const once = poolWith(
      `if (attempt < 2) { ${death} } return { outcome: { rowCount: attempt } };`,
    );
    expect(once, what).toEqual({ outcome: 'done 2', attempts: 2 });
    const always = poolWith(death);
    expect(always.outcome, what).toMatch(/^INTERNAL .*failed 3 times/);
    expect(always.attempts, what).toBe(3);
  }
  handOver({
    row: '22',
    fault: `a worker thread of the loader ${Object.keys(deaths).join(', ')}`,
    trials: 2 * Object.keys(deaths).length,
    seen: 'tried again, and right; three deaths are a clear error; the process lives',
  });
});
