// A cluster whose processes are replaced by another build of Stele, one at a time, on their data
// folders and ports: three datanodes with two copies of everything, masters (one, or several on
// etcd) and a query node.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SteleClient } from '../../../client/stele-client.ts';
import { VersionedRows } from '../inputs/rows.ts';
import { EtcdServer } from '../process/etcd-server.ts';
import { flags, SteleProcess, until } from '../process/stele-process.ts';
import type { Addresses } from '../process/stele-process.ts';
import { removeAtEnd } from '../process/watchdog.ts';
import { startLibraryReader } from '../readers/library-reader.ts';
import { Reader } from '../readers/reader.ts';
import { anyOf, connectCluster, connectRedis, httpSource, respSource } from '../readers/sources.ts';
import { SEED, SHORT } from './faults.ts';

const KEYSPACE = 'numbers';
export const DATANODES = ['node-0', 'node-1', 'node-2'];
export const QUERY = 'query-0';
/** The cluster client's time limit for one command. */
const DIRECT_TIMEOUT_MS = 300;
const READS_PER_SECOND = SHORT ? 100 : 300;
const READ_MS_MAX = 5_000;
const START_MS_MAX = 60_000;

/** The program of a build; undefined: this one. */
export type Build = string | undefined;

interface Member {
  process: SteleProcess;
  readonly addresses: Addresses;
}

interface Loading {
  /** Starts it; resolves when the cluster knows it. */
  begin(): Promise<void>;
  /** Resolves when it has ended well. */
  done(): Promise<void>;
}

export class MixedCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'stele-mixed-'));
  readonly rows = new VersionedRows(SHORT ? 5_000 : 20_000);
  readonly masters: readonly string[];
  readonly #etcd: EtcdServer | undefined;
  readonly #members = new Map<string, Member>();
  /** Masters and query nodes that readers leave alone: they are being replaced. */
  readonly #avoided = new Set<string>();
  readonly #readers: Reader[] = [];

  private constructor(masterCount: number, etcd: EtcdServer | undefined) {
    this.masters = Array.from({ length: masterCount }, (_unused, at) => `master-${at}`);
    this.#etcd = etcd;
    removeAtEnd(this.folder);
  }

  /** All of `build`; resolves when everything serves. */
  static async start(masterCount: number, build: Build): Promise<MixedCluster> {
    const etcd = masterCount === 1 ? undefined : await EtcdServer.start();
    const cluster = new MixedCluster(masterCount, etcd);
    try {
      for (const name of cluster.masters) await cluster.#begin(name, build);
      await Promise.all(DATANODES.map((name) => cluster.#begin(name, build)));
      await cluster.#begin(QUERY, build);
      await cluster.whole();
      return cluster;
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
  }

  /** As `--master` takes them. */
  get masterList(): string {
    const running = this.masters.filter((name) => this.#members.has(name));
    return running.map((name) => this.#address(name, 'grpc')).join(',');
  }

  /** Reads of every kind from now on, of whichever version; resolves when they are warm. */
  async read(): Promise<readonly Reader[]> {
    const doors = [...this.masters, QUERY];
    const clients = doors.map((name) => connectRedis(this.#at(name).addresses, KEYSPACE));
    const isThere = (at: number): boolean => !this.#avoided.has(doors[at]!);
    const nodes = DATANODES.map((name) => this.#at(name).addresses);
    const sources = [
      respSource('cluster client', connectCluster(nodes, KEYSPACE, DIRECT_TIMEOUT_MS)),
      anyOf(
        'RESP through masters and query node',
        clients.map((client) => respSource('', client)),
        // ioredis keeps commands for itself until it has connected again.
        (at) => isThere(at) && clients[at]?.status === 'ready',
      ),
      anyOf(
        'HTTP through masters and query node',
        doors.map((name) => httpSource(`http://${this.#address(name, 'http')}`, KEYSPACE)),
        isThere,
      ),
    ];
    const pace = { readsPerSecond: READS_PER_SECOND, budgetMs: READ_MS_MAX };
    const reader = new Reader(sources, { rows: this.rows, ...pace, seed: SEED });
    const seeds = doors.map((name) => this.#address(name, 'grpc'));
    const client = new SteleClient({ seeds, deadlineMs: READ_MS_MAX });
    const library = startLibraryReader(client, KEYSPACE, this.rows);
    this.#readers.push(reader, library);
    for (const each of this.#readers) await each.progress(50);
    return this.#readers;
  }

  /**
   * Ends a process as SIGTERM does, and starts `build` in its place; resolves when it serves and
   * the cluster is whole. `meanwhile` runs while it is away.
   */
  async replace(name: string, build: Build, meanwhile?: () => Promise<void>): Promise<void> {
    await this.whole();
    this.#avoided.add(name);
    await Promise.all(this.#readers.map((reader) => reader.drained()));
    const { code, stderr } = await this.#at(name).process.kill('SIGTERM');
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`);
    await meanwhile?.();
    await this.#begin(name, build);
    await this.whole();
    this.#avoided.delete(name);
  }

  /**
   * The file of a version, and its load by a process of `build`, which must come to that version.
   */
  async prepared(version: number, build: Build): Promise<Loading> {
    const file = join(this.folder, `rows-${version}.data`);
    await this.rows.write(file, version);
    const own = { master: this.masterList, 'work-dir': join(this.folder, 'work'), output: 'json' };
    let running: SteleProcess | undefined;
    return {
      begin: async () => {
        const load = new SteleProcess(['load', KEYSPACE, file, ...flags(own)], scriptOf(build));
        running = load;
        let isOver = false;
        void load.finished().then(() => (isOver = true));
        const isKnown = async (): Promise<boolean> => isOver || (await this.#runningLoads()) > 0;
        await until(`load ${version} to begin`, isKnown, START_MS_MAX);
      },
      done: async () => {
        if (running === undefined) throw new Error(`load ${version} did not begin`);
        const { code, stderr, stdout } = await running.finished();
        const made = /"version":(\d+)/.exec(stdout.trim().split('\n').at(-1) ?? '')?.[1];
        if (code === 0 && made === String(version)) return;
        throw new Error(`load ${version} ended with ${code}, version ${made}: ${stderr}`);
      },
    };
  }

  async loaded(version: number, build: Build): Promise<void> {
    const loading = await this.prepared(version, build);
    await loading.begin();
    await loading.done();
  }

  /** What a command of this build prints; it must end with 0. */
  async stele(...words: string[]): Promise<string> {
    const { code, stderr, stdout } = await new SteleProcess([
      ...words,
      ...flags({ master: this.masterList }),
    ]).finished();
    if (code !== 0)
      throw new Error(`stele ${words.join(' ')} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  /** The release of each process but query nodes, as the masters tell it. */
  async releases(): Promise<Map<string, string | null>> {
    const text = await this.stele('version', '--cluster', '-o', 'json');
    const { cluster } = JSON.parse(text) as { cluster: { name: string; release: string | null }[] };
    const names = new Map(this.masters.map((name) => [this.#address(name, 'grpc'), name]));
    return new Map(cluster.map(({ name, release }) => [names.get(name) ?? name, release]));
  }

  /** The masters, those that follow first. */
  async mastersLeaderLast(): Promise<string[]> {
    if (this.masters.length === 1) return [...this.masters];
    const text = await this.stele('masters', '-o', 'json');
    const listed = JSON.parse(text) as { address: string; leads: boolean }[];
    const leader = listed.find(({ leads }) => leads)?.address;
    return this.masters.toSorted(
      (left, right) =>
        Number(this.#address(left, 'grpc') === leader) -
        Number(this.#address(right, 'grpc') === leader),
    );
  }

  /** Green, with every datanode serving, and a view at every master and query node. */
  async whole(): Promise<void> {
    await until('a whole cluster', () => this.#isWhole().catch(() => false), START_MS_MAX, 100);
  }

  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.stop()));
    await Promise.all([...this.#members.values()].map(({ process }) => process.kill()));
    await this.#etcd?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #isWhole(): Promise<boolean> {
    const doors = [...this.masters, QUERY].map((name) => `http://${this.#address(name, 'http')}`);
    const headers = { connection: 'close' };
    for (const door of doors) {
      if (!(await fetch(`${door}/readyz`, { headers })).ok) return false;
      const response = await fetch(`${door}/v1/cluster/health`, { headers });
      const health = (await response.json()) as {
        status: string;
        no_leader?: object;
        nodes: { state: string }[];
      };
      const serving = health.nodes.filter(({ state }) => state === 'SERVING');
      if (health.no_leader !== undefined || health.status !== 'green') return false;
      if (serving.length !== DATANODES.length) return false;
    }
    return true;
  }

  async #runningLoads(): Promise<number> {
    const door = [...this.masters, QUERY].find((name) => !this.#avoided.has(name))!;
    const url = `http://${this.#address(door, 'http')}/v1/loads`;
    const response = await fetch(url, { headers: { connection: 'close' } });
    if (!response.ok) return 0;
    const { loads } = (await response.json()) as { loads: { state: string }[] };
    return loads.filter(({ state }) => state === 'RUNNING').length;
  }

  async #begin(name: string, build: Build): Promise<void> {
    const before = this.#members.get(name)?.addresses;
    const ports = flags({
      'http-port': before?.http ?? 0,
      'resp-port': before?.resp ?? 0,
      'grpc-port': before?.grpc ?? 0,
    });
    const process = new SteleProcess([...this.#words(name), ...ports], scriptOf(build));
    await process.printed(/ grpc \S+:\d+\n/, START_MS_MAX);
    const [addresses] = process.addresses();
    this.#members.set(name, { process, addresses: addresses! });
  }

  #words(name: string): string[] {
    const dataDir = join(this.folder, name);
    if (name === QUERY) return ['query', ...flags({ master: this.masterList, 'cache-max': 0 })];
    if (!this.masters.includes(name)) {
      return ['datanode', ...flags({ id: name, 'data-dir': dataDir, master: this.masterList })];
    }
    const common = flags({ 'cache-max': 0, 'repair-delay': '60s', replication: 2, shards: 32 });
    const etcd = this.#etcd?.endpoints.join(',');
    if (etcd === undefined) return ['master', ...common, ...flags({ 'data-dir': dataDir })];
    const of = { metadata: 'etcd', 'etcd-endpoints': etcd, 'etcd-prefix': '/stele/mixed/' };
    return ['master', ...common, ...flags({ ...of, 'leader-ttl': '5s' })];
  }

  #at(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`${name} was not started`);
    return member;
  }

  #address(name: string, port: 'http' | 'grpc'): string {
    const { addresses } = this.#at(name);
    return `${addresses.host}:${addresses[port]}`;
  }
}

function scriptOf(build: Build): { script?: string } {
  return build === undefined ? {} : { script: build };
}
