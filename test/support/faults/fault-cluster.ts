// The start of most fault tests: a cluster with one keyspace of self-describing rows, and readers
// with 2,000 reads per second (1,000 in the short form) over its three interfaces.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestCluster } from '../process/cluster.ts';
import type { ClusterOptions } from '../process/cluster.ts';
import { SEED, SHORT } from './faults.ts';
import type { LoadSummary } from '../process/cluster.ts';
import { VersionedRows } from '../inputs/rows.ts';
import { connectCluster, connectRedis, httpSource, respSource } from '../readers/sources.ts';
import { Reader } from '../readers/reader.ts';
import { isRunning, until } from '../process/stele-process.ts';

export const KEYSPACE = 'numbers';
/** Names of the interfaces, as Reader reports them. */
export const DIRECT = 'cluster client on the datanodes';
export const MASTER_RESP = 'RESP of the master';
export const HTTP = 'HTTP of the master';

/** Over all interfaces together. Half of it leaves two cores enough time for the product. */
const READS_PER_SECOND = SHORT ? 1000 : 2000;
/** The cluster client's time limit for one command, so that it can avoid a datanode that hangs. */
const DIRECT_TIMEOUT_MS = 150;

export interface FaultClusterOptions extends ClusterOptions {
  readonly rows?: number;
}

export class FaultCluster {
  readonly cluster: TestCluster;
  readonly rows: VersionedRows;
  readonly summary: LoadSummary;
  readonly ids: readonly string[];
  readonly #readers: Reader[] = [];

  private constructor(
    cluster: TestCluster,
    rows: VersionedRows,
    summary: LoadSummary,
    ids: readonly string[],
  ) {
    this.cluster = cluster;
    this.rows = rows;
    this.summary = summary;
    this.ids = ids;
  }

  /**
   * Resolves when the cluster is GREEN. The master has no cache, so every read needs a datanode.
   */
  static async start(options: FaultClusterOptions = {}): Promise<FaultCluster> {
    const { datanodes = 3, masterFlags = [], rows: count = 20_000 } = options;
    const cluster = await TestCluster.start({
      ...options,
      masterFlags: ['--cache-max', '0', ...masterFlags],
    });
    try {
      const rows = new VersionedRows(count);
      const file = join(cluster.folder, 'rows.data');
      await rows.write(file, 1);
      const summary = await cluster.load(KEYSPACE, [file]);
      await cluster.status('green');
      const ids = Array.from({ length: datanodes }, (_unused, index) => `node-${index}`);
      return new FaultCluster(cluster, rows, summary, ids);
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
  }

  dataDir(id: string): string {
    return join(this.cluster.folder, id);
  }

  /**
   * Reads from now on, over all three interfaces or some of them; resolves when all of them are
   * warm.
   */
  async read(
    doors: readonly string[] = [DIRECT, MASTER_RESP, HTTP],
    keyAt: (index: number) => string = (index) => this.rows.key(index),
    keyCount = this.rows.count,
    directTimeoutMs = DIRECT_TIMEOUT_MS,
  ): Promise<Reader> {
    const { cluster, rows } = this;
    const all = {
      [DIRECT]: () => respSource(DIRECT, connectCluster(this.#nodes(), KEYSPACE, directTimeoutMs)),
      [MASTER_RESP]: () => respSource(MASTER_RESP, connectRedis(cluster.master, KEYSPACE)),
      [HTTP]: () => httpSource(cluster.url(''), KEYSPACE, HTTP),
    };
    const sources = Object.entries(all).flatMap(([name, open]) =>
      doors.includes(name) ? [open()] : [],
    );
    const reader = new Reader(sources, {
      rows,
      version: 1,
      keys: { count: keyCount, at: keyAt },
      readsPerSecond: READS_PER_SECOND,
      seed: SEED,
    });
    this.#readers.push(reader);
    await reader.progress(1000);
    return reader;
  }

  /** Waits until all datanodes serve, and everything has all its copies. */
  async whole(): Promise<void> {
    await this.cluster.nodesServing(this.ids.length);
    await this.cluster.status('green', 60_000);
  }

  /** Resolves to the milliseconds until the master no longer reports the node as serving. */
  async noticed(id: string, deadlineMs = 10_000): Promise<number> {
    const startedMs = performance.now();
    await until(
      `the master to notice that ${id} is away`,
      async () => (await this.stateOf(id)) !== 'serving',
      deadlineMs,
      5,
    );
    return performance.now() - startedMs;
  }

  /** Resolves to the milliseconds until no other datanode sends cluster clients to this one. */
  async avoided(id: string, deadlineMs = 10_000): Promise<number> {
    const startedMs = performance.now();
    const { resp } = this.cluster.node(id);
    const others = this.ids.filter((other) => other !== id);
    const each = others.map(async (other) => {
      const client = connectRedis(this.cluster.node(other), KEYSPACE);
      const isKnown = async (): Promise<boolean> =>
        JSON.stringify(await client.cluster('SLOTS')).includes(`,${resp},`);
      try {
        await until(`${other} to avoid ${id}`, async () => !(await isKnown()), deadlineMs, 5);
      } finally {
        client.disconnect();
      }
    });
    await Promise.all(each);
    return performance.now() - startedMs;
  }

  /** The state of a node as the master reports it, in lower case. */
  async stateOf(id: string): Promise<string | undefined> {
    const { nodes } = await this.cluster.health();
    return nodes.find((node) => node.id === id)?.state.toLowerCase();
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.stop()));
    await this.cluster.close();
  }

  #nodes(): ReturnType<TestCluster['node']>[] {
    return this.ids.map((id) => this.cluster.node(id));
  }
}

/** Sends SIGKILL, and waits until the process is gone. */
export async function killNow(cluster: TestCluster, id: string): Promise<void> {
  const { pid } = id === 'master' ? cluster.master : cluster.node(id);
  const { signal } = await cluster.kill(id);
  if (signal !== 'SIGKILL' || isRunning(pid)) throw new Error(`${id} (${pid}) was not killed`);
}

/** Stops a process with SIGSTOP, and waits until it is stopped. */
export async function freeze(cluster: TestCluster, id: string): Promise<void> {
  const { pid } = id === 'master' ? cluster.master : cluster.node(id);
  cluster.pause(id);
  await until(`${id} to be stopped`, () => processState(pid) === 'T', 5000, 1);
}

/** The state letter in /proc: R, S, D, T (stopped), Z. */
function processState(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat[stat.lastIndexOf(')') + 2] ?? '';
}
