// A cluster of separate processes, one by one killable and startable again on the same ports.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VersionedRows } from '../inputs/rows.ts';
import { steleShared } from './shared-process.ts';
import type { Done } from './shared-process.ts';
import { flags as words, isRunning, SteleProcess, stele, until } from './stele-process.ts';
import type { Addresses, Finished } from './stele-process.ts';
import { removeAtEnd } from './watchdog.ts';

export interface ClusterOptions {
  readonly datanodes?: number;
  readonly replication?: number;
  readonly shards?: number;
  /** More flags of `stele master`. */
  readonly masterFlags?: readonly string[];
  /** More flags of every `stele datanode`. */
  readonly datanodeFlags?: readonly string[];
  /** Where processes run that do not run here. */
  readonly placeOf?: (name: string) => Place;
}

/** Somewhere else on this machine: how to start a process there, and its address. */
export interface Place {
  readonly within: readonly string[];
  readonly host: string;
}

interface Member {
  process: SteleProcess;
  addresses: Addresses;
  readonly flags: readonly string[];
}

export interface Health {
  readonly status: 'green' | 'yellow' | 'red';
  readonly ready: boolean;
  readonly replication: { readonly least: number };
  readonly nodes: readonly { id: string; state: string }[];
}

/** Each look is a connection and a request. */
const HEALTH_EVERY_MS = 60;

/** A value of 64 MiB may take its time on a busy machine, and nobody is dead meanwhile. */
const PATIENT: readonly string[] = words({
  'lookup-deadline': '20s',
  'heartbeat-deadline': '10s',
});
/** Clusters that files in this process borrow after each other, by their number of datanodes. */
const lent = new Map<number, TestCluster>();

export class TestCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'stele-e2e-'));
  readonly #options: ClusterOptions;
  readonly #members = new Map<string, Member>();
  #isLent = false;

  private constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** Starts master and datanodes; resolves when all datanodes serve. */
  static async start(options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options);
    try {
      await cluster.startMaster();
      const count = options.datanodes ?? 3;
      const ids = Array.from({ length: count }, (_, index) => `node-${index}`);
      await Promise.all(ids.map((id) => cluster.startNode(id)));
      await cluster.nodesServing(count);
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
    return cluster;
  }

  /**
   * A cluster that files which run in one process share, for those that stop none of its processes.
   * Its `close` drops what is in it except the keyspace `default`, and it ends with this process.
   * Names of keyspaces should not be those of other files, as a name is free only some seconds
   * after the keyspace was dropped.
   */
  static async borrow(datanodes: 1 | 3 = 3): Promise<TestCluster> {
    const before = lent.get(datanodes);
    if (before !== undefined) {
      if (before.#isWhole()) return before;
      await before.#end();
    }
    const replication = Math.min(datanodes, 2);
    const cluster = await TestCluster.start({ datanodes, replication, masterFlags: PATIENT });
    removeAtEnd(cluster.folder);
    cluster.#isLent = true;
    lent.set(datanodes, cluster);
    return cluster;
  }

  /** Started, and green with version 1 of `rows` in each keyspace. */
  static async holding(
    rows: VersionedRows,
    keyspaces: readonly string[],
    options: ClusterOptions = {},
  ): Promise<TestCluster> {
    const cluster = await TestCluster.start(options);
    try {
      for (const keyspace of keyspaces) await cluster.loadRows(keyspace, rows, 1);
      await cluster.status('green');
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
    return cluster;
  }

  get master(): Addresses {
    return this.#member('master').addresses;
  }

  node(id: string): Addresses {
    return this.#member(id).addresses;
  }

  get masterGrpc(): string {
    return `${this.master.host}:${this.master.grpc}`;
  }

  /** Starts the master, the second time on the ports of the first. */
  async startMaster(): Promise<void> {
    const { replication = 2, shards = 32, masterFlags = [] } = this.#options;
    await this.#start('master', [
      'master',
      ...words({ 'data-dir': join(this.folder, 'master'), replication, shards }),
      ...masterFlags,
    ]);
  }

  async startNode(id: string, moreFlags: readonly string[] = []): Promise<void> {
    await this.#start(id, [
      'datanode',
      ...words({ id, master: this.masterGrpc, 'data-dir': join(this.folder, id) }),
      ...(this.#options.datanodeFlags ?? []),
      ...moreFlags,
    ]);
  }

  /** Two that have ended start with each other's ports from now on. */
  swapPorts(one: string, other: string): void {
    const [left, right] = [this.#member(one), this.#member(other)];
    [left.addresses, right.addresses] = [right.addresses, left.addresses];
  }

  /** Ends one process; SIGKILL by default. */
  kill(id: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<Finished> {
    return this.#member(id).process.kill(signal);
  }

  /** Resolves when the process has ended by itself. */
  finished(id: string): Promise<Finished> {
    return this.#member(id).process.finished();
  }

  /** What the present run of a process has logged. */
  log(id: string): string {
    return this.#member(id).process.stderr;
  }

  pause(id: string): void {
    this.#member(id).process.child.kill('SIGSTOP');
  }

  resume(id: string): void {
    this.#member(id).process.child.kill('SIGCONT');
  }

  /** For what a test needs to be there; a load that is tried itself is a process of its own. */
  async load(
    keyspace: string,
    paths: readonly string[],
    flags: readonly string[] = [],
  ): Promise<LoadSummary> {
    return loaded(await steleShared(this.loadArguments(keyspace, paths, flags)));
  }

  /** Loads rows of a version, which must come to that version. */
  async loadRows(keyspace: string, rows: VersionedRows, version: number): Promise<void> {
    const file = this.rowsFile(version);
    await rows.write(file, version);
    const { loaded: count, version: made } = await this.load(keyspace, [file]);
    if (count !== rows.count || made !== version) {
      throw new Error(`${count} rows of version ${version} became version ${made} of ${keyspace}`);
    }
  }

  /** Where `loadRows` writes them. */
  rowsFile(version: number): string {
    return join(this.folder, `rows-${version}.data`);
  }

  /** How long the whole process of a load takes, and what it comes to. */
  async timedLoad(
    keyspace: string,
    paths: readonly string[],
    flags: readonly string[] = [],
  ): Promise<{ summary: LoadSummary; tookMs: number }> {
    const startedAt = performance.now();
    const done = await stele(this.loadArguments(keyspace, paths, flags));
    return { summary: loaded(done), tookMs: performance.now() - startedAt };
  }

  async drop(keyspace: string): Promise<void> {
    const response = await this.#delete(keyspace);
    if (!response.ok) throw new Error(`drop: ${await response.text()}`);
  }

  #delete(keyspace: string): Promise<Response> {
    return fetch(this.url(`/v1/keyspaces/${keyspace}`), { method: 'DELETE' });
  }

  loadArguments(
    keyspace: string,
    paths: readonly string[],
    flags: readonly string[] = [],
  ): string[] {
    const workDir = join(this.folder, 'work');
    const own = words({ master: this.masterGrpc, 'work-dir': workDir, output: 'json' });
    return ['load', keyspace, ...paths, ...own, ...flags];
  }

  async health(): Promise<Health> {
    // A connection of its own: one that was idle may just be being closed by the master.
    const response = await fetch(this.url('/v1/cluster/health'), {
      headers: { connection: 'close' },
    });
    return (await response.json()) as Health;
  }

  async status(wanted: Health['status'], deadlineMs = 30_000): Promise<void> {
    await until(
      `status ${wanted}`,
      async () => (await this.#tryHealth())?.status === wanted,
      deadlineMs,
      HEALTH_EVERY_MS,
    );
  }

  async nodesServing(count: number): Promise<void> {
    const isSo = async (): Promise<boolean> => {
      const health = await this.#tryHealth();
      const serving = health?.nodes.filter((node) => node.state.toLowerCase() === 'serving');
      return serving?.length === count;
    };
    await until(`${count} serving nodes`, isSo, 20_000, HEALTH_EVERY_MS);
  }

  /** The parsed answer of a GET on the master. */
  async json(path: string): Promise<unknown> {
    const response = await fetch(this.url(path));
    return response.json();
  }

  /** Placement without what changes from moment to moment: who owns and who holds each shard. */
  async placement(): Promise<unknown> {
    return this.json('/v1/shards');
  }

  /** The digest of the current version. */
  async digest(keyspace: string): Promise<string> {
    const response = await fetch(this.url(`/v1/keyspaces/${keyspace}`));
    return ((await response.json()) as { digest: string }).digest;
  }

  /** Keys that a datanode has looked up since it started. */
  async lookups(id: string): Promise<number> {
    return this.metric(id, 'stele_lookups_total');
  }

  /** Of a datanode; 0 where it has no such series. */
  async metric(id: string, series: string): Promise<number> {
    const { host, http } = this.node(id);
    const text = await (await fetch(`http://${host}:${http}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length) ?? 0);
  }

  url(path: string): string {
    return `http://${this.master.host}:${this.master.http}${path}`;
  }

  async close(): Promise<void> {
    if (this.#isLent && this.#isWhole()) await this.#clear();
    else await this.#end();
  }

  #isWhole(): boolean {
    return [...this.#members.values()].every(({ process }) => isRunning(process.pid));
  }

  /**
   * Does not wait: a keyspace is gone for readers at once, and from the disks after
   * `--lookup-deadline`.
   */
  async #clear(): Promise<void> {
    const { keyspaces } = (await this.json('/v1/keyspaces')) as { keyspaces: { name: string }[] };
    const own = keyspaces.filter(({ name }) => name !== 'default');
    const responses = await Promise.all(own.map(({ name }) => this.#delete(name)));
    // One that an earlier file has dropped is listed until the datanodes have deleted it.
    const refused = responses.find(({ ok, status }) => !ok && status !== 404);
    if (refused !== undefined) throw new Error(`drop: ${await refused.text()}`);
  }

  async #end(): Promise<void> {
    for (const { process } of this.#members.values()) process.child.kill('SIGCONT');
    await Promise.all([...this.#members.values()].map(({ process }) => process.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #tryHealth(): Promise<Health | undefined> {
    try {
      return await this.health();
    } catch {
      return undefined;
    }
  }

  async #start(name: string, flags: readonly string[]): Promise<void> {
    const before = this.#members.get(name)?.addresses;
    const ports = words({
      'http-port': before?.http ?? 0,
      'resp-port': before?.resp ?? 0,
      'grpc-port': before?.grpc ?? 0,
    });
    const place = this.#options.placeOf?.(name);
    const host = place === undefined ? [] : ['--host', place.host, '--insecure'];
    const [verb = '', ...own] = flags;
    const process = new SteleProcess(
      // Of two flags of one name the last one counts.
      [verb, ...ports, ...host, ...own],
      place === undefined ? {} : { within: place.within },
    );
    await process.printed(/ grpc \S+:\d+\n/);
    const [addresses] = process.addresses();
    if (addresses === undefined) throw new Error(`no address in: ${process.stdout}`);
    this.#members.set(name, { process, addresses, flags });
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`${name} was never started`);
    return member;
  }
}

/** What `stele load -o json` prints last. */
export interface LoadSummary {
  readonly keyspace: string;
  readonly version: number;
  readonly rows: number;
  readonly loaded: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly records: number;
  readonly digest: string;
  readonly append?: {
    readonly base_version: number;
    readonly added: number;
    readonly replaced: number;
    readonly unchanged: number;
  };
  readonly chunksResumed: number;
  readonly shardsResumed: number;
  readonly alreadyCurrent: boolean;
}

function loaded({ code, stdout, stderr }: Done): LoadSummary {
  if (code !== 0) throw new Error(`load failed: ${stderr}`);
  return summaryOf(stdout);
}

export function summaryOf(stdout: string): LoadSummary {
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as LoadSummary;
}
