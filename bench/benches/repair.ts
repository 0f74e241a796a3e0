// One of several datanodes is lost for good: how fast its copies are made again on the others, from
// the first byte that arrives until everything is GREEN (fetched, written, synced, verified),
// without a limit and without readers, and the CPU time it takes. All on one machine: the same
// cores send and receive the bytes.

import { cpus } from 'node:os';
import { join } from 'node:path';
import { defineBench } from '../bench.ts';
import { sleep } from '../support/measure.ts';
import {
  addressOf,
  cpuSeconds,
  load,
  startStele,
  stele,
  stop,
  tempFolder,
} from '../support/processes.ts';
import type { Started } from '../support/processes.ts';
import { writeLines } from '../support/rows.ts';

const VALUE_BYTES = 980;
const POLL_MS = 20;
const GREEN_MS_MAX = 300_000;
/** The page cache writes the load's files in the meantime. */
const SETTLE_MS = 5000;

class Repair {
  readonly #folder = tempFolder();
  #master: Started | undefined;
  #at = '';
  #http = 0;

  async startMaster(): Promise<Started> {
    this.#master = await startStele([
      ...['master', '--data-dir', join(this.#folder, 'master'), '--replication', '2'],
      ...['--shards', '128', '--repair-delay', '1s', '--repair-bytes-per-second', '0'],
    ]);
    const { grpc, http } = addressOf(this.#master);
    this.#at = `127.0.0.1:${grpc}`;
    this.#http = http;
    return this.#master;
  }

  startDatanode(id: string): Promise<Started> {
    const dataDir = join(this.#folder, id);
    return startStele(['datanode', '--id', id, '--master', this.#at, '--data-dir', dataDir]);
  }

  loadRows(rowCount: number): void {
    const value = 'x'.repeat(VALUE_BYTES);
    const path = join(this.#folder, 'rows.data');
    writeLines(path, rowCount, (row) => `key-${row} ${row}|${value}\n`);
    load(this.#at, 'bench', path, join(this.#folder, 'work'), rowCount);
    stele('status', '--wait', 'green', '--timeout', '60s', '--master', this.#at);
  }

  async isGreen(): Promise<boolean> {
    return ((await this.#get('/v1/cluster/health')) as { status: string }).status === 'green';
  }

  /** Bytes of segments on all datanodes that answer. */
  async heldBytes(): Promise<number> {
    const { nodes } = (await this.#get('/v1/nodes')) as {
      nodes: { state: string; segment_bytes: number }[];
    };
    return nodes
      .filter(({ state }) => state === 'SERVING')
      .reduce((sum, { segment_bytes: bytes }) => sum + bytes, 0);
  }

  async #get(path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#http}${path}`);
    return response.json();
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startedMs > GREEN_MS_MAX) throw new Error('it does not come in time');
    await sleep(POLL_MS);
  }
}

export const bench = defineBench({
  about: 'A datanode is lost: its copies are made again on the others, RF 2',
  settings: {
    rows: { whole: 2_500_000, short: 20_000 },
    datanodes: { whole: 5, short: 3 },
  },
  async run({ datanodes, rows }) {
    const repair = new Repair();
    const master = await repair.startMaster();
    const nodes: Started[] = [];
    for (let number = 0; number < datanodes; number++) {
      nodes.push(await repair.startDatanode(`node-${number}`));
    }
    repair.loadRows(rows);
    await sleep(rows > 100_000 ? SETTLE_MS : 0);

    const wholeBytes = await repair.heldBytes();
    const [lost, ...left] = nodes;
    if (lost === undefined) throw new Error('there is no datanode to lose');
    await stop(lost, 'SIGKILL');
    await until(async () => !(await repair.isGreen()));
    const before = await repair.heldBytes();
    const lostBytes = wholeBytes - before;
    await until(async () => (await repair.heldBytes()) !== before);
    const startedMs = performance.now();
    const all = [master, ...left];
    const cpuOfAll = (): number => all.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    const cpuBefore = cpuOfAll();
    await until(() => repair.isGreen());
    const tookMs = performance.now() - startedMs;
    const cpu = cpuOfAll() - cpuBefore;
    for (const each of all) await stop(each);
    return [
      {
        caption: `Rows of ${VALUE_BYTES} bytes and more, 128 shards.`,
        labels: [''],
        columns: [
          { title: 'copied again, MB', digits: 0 },
          { title: 'took, s', digits: 2 },
          { title: 'MB/s', digits: 0, better: 'higher' },
          { title: 'processor time, s per GB', digits: 1, better: 'lower' },
          { title: 'of all cores, %', digits: 0 },
        ],
        rows: [
          {
            what: ['one datanode'],
            figures: [
              lostBytes / 1e6,
              tookMs / 1000,
              lostBytes / 1000 / tookMs,
              (cpu * 1e9) / lostBytes,
              (cpu * 1e5) / tookMs / cpus().length,
            ],
          },
        ],
      },
    ];
  },
});
