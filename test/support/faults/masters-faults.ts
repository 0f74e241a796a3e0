// The start of the fault tests of several masters: a cluster on a real etcd with one keyspace of
// self-describing rows, a query node, and readers over all masters, the query node and the
// datanodes.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toSteleError } from '../../../base/errors.ts';
import type { AdminClient } from '../../../client/admin.ts';
import { MastersCluster } from '../process/masters-cluster.ts';
import type { MastersOptions } from '../process/masters-cluster.ts';
import { until } from '../process/stele-process.ts';
import type { Addresses } from '../process/stele-process.ts';
import { VersionedRows } from '../inputs/rows.ts';
import { Reader } from '../readers/reader.ts';
import {
  anyOf,
  connectCluster,
  connectRedis,
  expectAllRows,
  httpSource,
  respSource,
} from '../readers/sources.ts';
import { segmentFiles } from '../segments/segment-files.ts';
import { SEED, SHORT } from './faults.ts';

export const KEYSPACE = 'numbers';
const READS_PER_SECOND = SHORT ? 300 : 1000;
/** The cluster client's time limit for one command. */
const DIRECT_TIMEOUT_MS = 300;
const EPOCH_EVERY_MS = 10;

export class MastersFaults {
  readonly cluster: MastersCluster;
  readonly rows = new VersionedRows(SHORT ? 5_000 : 20_000);
  /** Masters that readers leave alone: they are down, or are about to be. */
  readonly avoided = new Set<number>();
  readonly #datanodes: number;
  readonly #readers: Reader[] = [];
  #query!: Addresses;

  private constructor(cluster: MastersCluster, datanodes: number) {
    this.cluster = cluster;
    this.#datanodes = datanodes;
  }

  /** Resolves when everything serves. Masters have no cache, so every read needs a datanode. */
  static async start(
    options: MastersOptions & { readonly datanodes: number },
  ): Promise<MastersFaults> {
    console.log(`  seed ${SEED}`);
    const masterFlags = ['--cache-max', '0', '--repair-delay', '3s'];
    const cluster = await MastersCluster.start({ ...options, masterFlags });
    const faults = new MastersFaults(cluster, options.datanodes);
    try {
      const { code, stderr } = await cluster.load(KEYSPACE, faults.rows, 1);
      if (code !== 0) throw new Error(`load: ${stderr}`);
      faults.#query = await cluster.startQuery(0);
      for (const door of [...cluster.masters, faults.#query]) {
        await until('the view', async () => (await fetch(originOf(door, '/readyz'))).ok);
        await expectAllRows(originOf(door), KEYSPACE, faults.rows, 1);
      }
      return faults;
    } catch (thrown) {
      await faults.close();
      throw thrown;
    }
  }

  get ids(): string[] {
    return Array.from({ length: this.#datanodes }, (_unused, at) => `node-${at}`);
  }

  /** Reads from now on, through everything; resolves when it is warm. */
  async read(wanted: 'version 1' | 'any version' = 'version 1'): Promise<Reader> {
    const { cluster, rows } = this;
    const clients = cluster.masters.map((door) => connectRedis(door, KEYSPACE));
    /** ioredis keeps commands for itself until it has connected again. */
    const isConnected = (at: number): boolean => clients[at]?.status === 'ready';
    const isThere = (at: number): boolean => !this.avoided.has(at);
    const overHttp = cluster.masters.map((door) => httpSource(originOf(door), KEYSPACE));
    const sources = [
      respSource('datanodes', connectCluster(cluster.nodes, KEYSPACE, DIRECT_TIMEOUT_MS)),
      anyOf(
        'RESP of masters',
        clients.map((client) => respSource('', client)),
        (at) => isThere(at) && isConnected(at),
      ),
      anyOf('HTTP of masters', overHttp, isThere),
      respSource('RESP of the query node', connectRedis(this.#query, KEYSPACE)),
      httpSource(originOf(this.#query), KEYSPACE, 'HTTP of the query node'),
    ];
    const version = wanted === 'version 1' ? { version: 1 } : {};
    const options = { rows, ...version, readsPerSecond: READS_PER_SECOND, seed: SEED };
    const reader = new Reader(sources, options);
    this.#readers.push(reader);
    await reader.progress(200);
    return reader;
  }

  /** Ends a master with a signal; readers leave it alone until `startAgain`. */
  async end(at: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.avoid(at);
    await this.cluster.kill(`master-${at}`, signal);
  }

  /** Resolves when no reader waits for this master. */
  async avoid(at: number): Promise<void> {
    this.avoided.add(at);
    await Promise.all(this.#readers.map((reader) => reader.drained()));
  }

  async startAgain(at: number): Promise<void> {
    await this.cluster.startMaster(at);
    await this.followed(at);
  }

  /** Resolves when all masters answer, the one at `at` too, and have the view of the leader. */
  async followed(at: number): Promise<void> {
    await until('all masters to have the view of the leader', async () => {
      const { masters } = await this.cluster
        .ask((admin) => admin.listMasters(), at)
        .catch(() => ({ masters: [] }));
      const count = this.cluster.masters.length;
      const isEqual = masters.every(({ trouble, viewLag }) => trouble === '' && viewLag === 0);
      return masters.length === count && masters[0]?.leads === true && isEqual;
    });
    const door = this.cluster.masters[at]!;
    await until('its view', async () => (await fetch(originOf(door, '/readyz'))).ok);
    this.avoided.delete(at);
  }

  /** Milliseconds from `sinceMs` until a change is taken, tried again and again. */
  async changed(sinceMs: number, value: number): Promise<number> {
    await until('a change to be taken', async () => {
      const tried = await this.change((admin) => admin.setKeep(KEYSPACE, value));
      return tried === 'taken';
    });
    return performance.now() - sinceMs;
  }

  /** One change: taken, or the code and the words of its refusal. */
  async change(
    make: (admin: AdminClient) => Promise<unknown>,
    at?: number,
  ): Promise<'taken' | { readonly code: string; readonly message: string }> {
    try {
      await this.cluster.ask(make, at);
      return 'taken';
    } catch (thrown) {
      return toSteleError(thrown);
    }
  }

  async keep(): Promise<number | undefined> {
    const { keyspaces } = await this.cluster.ask((admin) => admin.listKeyspaces());
    return keyspaces.find(({ name }) => name === KEYSPACE)?.keep;
  }

  /** The hex digest of a keyspace's current version. */
  async digest(keyspace: string, at?: number): Promise<string | undefined> {
    const { keyspaces } = await this.cluster.ask((admin) => admin.listKeyspaces(), at);
    return keyspaces.find(({ name }) => name === keyspace)?.digest.toString('hex');
  }

  /** All segment files, which change if anything is copied or dropped. */
  files(): unknown {
    return this.ids.map((id) => segmentFiles(this.cluster.dataDir(id)));
  }

  /** Lines of all masters' logs that match. */
  logged(pattern: RegExp): string[] {
    const logs = this.cluster.masters.map((_unused, at) => this.cluster.log(`master-${at}`));
    return logs.flatMap((log) => log.split('\n').filter((line) => pattern.test(line)));
  }

  /** Watches the epochs that datanodes obey, as their disks have them. */
  watchEpochs(): EpochWatch {
    return new EpochWatch(this.ids.map((id) => join(this.cluster.dataDir(id), 'node.json')));
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.stop()));
    await this.cluster.close();
  }
}

/** The epochs that datanodes obey: each step of each. */
export class EpochWatch {
  readonly steps: number[][];
  readonly #timer: NodeJS.Timeout;

  constructor(paths: readonly string[]) {
    this.steps = paths.map(() => []);
    this.#timer = setInterval(() => {
      for (const [at, path] of paths.entries()) this.#look(path, this.steps[at]!);
    }, EPOCH_EVERY_MS);
  }

  /** The least of the epochs that the datanodes obey now. */
  get least(): number {
    return Math.min(...this.steps.map((steps) => steps.at(-1) ?? 0));
  }

  get hasGoneBack(): boolean {
    return this.steps.some((steps) => steps.some((epoch, at) => epoch < (steps[at - 1] ?? 0)));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(path: string, steps: number[]): void {
    const { epoch } = JSON.parse(readFileSync(path, 'utf8')) as { epoch: number };
    if (epoch !== steps.at(-1)) steps.push(epoch);
  }
}

function originOf({ host, http }: Addresses, path = ''): string {
  return `http://${host}:${http}${path}`;
}

/** The middle of some times, rounded. */
export function medianMs(times: readonly number[]): number {
  return Math.round(times.toSorted((left, right) => left - right)[times.length >> 1] ?? 0);
}
