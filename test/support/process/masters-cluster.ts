// Several masters on a real etcd, with datanodes and query nodes: separate processes, each killable
// and startable again on its ports.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAdmin } from '../../../client/admin.ts';
import type { AdminClient } from '../../../client/admin.ts';
import type { VersionedRows } from '../inputs/rows.ts';
import { EtcdServer } from './etcd-server.ts';
import { flags as words, isRunning, stele, SteleProcess, until } from './stele-process.ts';
import type { Addresses, Finished } from './stele-process.ts';
import { removeAtEnd } from './watchdog.ts';

export interface MastersOptions {
  readonly masters?: number;
  readonly datanodes?: number;
  readonly etcdMembers?: 1 | 3;
  readonly shards?: number;
  readonly masterFlags?: readonly string[];
  /** Where masters find etcd. Default: at its own endpoints. */
  readonly etcdAt?: (etcd: EtcdServer) => readonly string[];
  readonly beforeMasters?: (etcd: EtcdServer) => Promise<void>;
}

interface Member {
  process: SteleProcess;
  readonly addresses: Addresses;
}

const PREFIX = '/stele/test/';

export class MastersCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'stele-masters-'));
  readonly etcd: EtcdServer;
  readonly #options: MastersOptions;
  readonly #members = new Map<string, Member>();

  private constructor(etcd: EtcdServer, options: MastersOptions) {
    this.etcd = etcd;
    this.#options = options;
    removeAtEnd(this.folder);
  }

  /** Resolves when all datanodes serve. */
  static async start(options: MastersOptions = {}): Promise<MastersCluster> {
    const { datanodes = 3, etcdMembers = 1, masters = 3 } = options;
    const etcd = await EtcdServer.start({ members: etcdMembers });
    const cluster = new MastersCluster(etcd, options);
    try {
      await options.beforeMasters?.(etcd);
      await Promise.all(indexes(masters).map((at) => cluster.startMaster(at)));
      await Promise.all(indexes(datanodes).map((at) => cluster.startNode(at)));
      await cluster.serving(datanodes);
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
    return cluster;
  }

  /** As `--master` takes them. */
  get masterList(): string {
    return this.masters.map(({ host, grpc }) => `${host}:${grpc}`).join(',');
  }

  /** Those that were started, running or not. */
  get masters(): Addresses[] {
    return this.#of('master-');
  }

  get nodes(): Addresses[] {
    return this.#of('node-');
  }

  async startMaster(at: number): Promise<Addresses> {
    return this.#startMaster(`master-${at}`, PREFIX);
  }

  /** A master of another cluster, by mistake. */
  async startStranger(prefix: string): Promise<Addresses> {
    return this.#startMaster('stranger', prefix);
  }

  async startNode(at: number, master = this.masterList): Promise<Addresses> {
    const id = `node-${at}`;
    const flags = words({ id, 'data-dir': this.dataDir(id), master });
    return this.#start(id, ['datanode', ...flags]);
  }

  dataDir(id: string): string {
    return join(this.folder, id);
  }

  async startQuery(at: number): Promise<Addresses> {
    return this.#start(`query-${at}`, ['query', ...words({ master: this.masterList })]);
  }

  process(name: string): SteleProcess {
    return this.#member(name).process;
  }

  addresses(name: string): Addresses {
    return this.#member(name).addresses;
  }

  isRunning(name: string): boolean {
    return isRunning(this.process(name).pid);
  }

  /** What the present run of a process has logged. */
  log(name: string): string {
    return this.process(name).stderr;
  }

  /** The index of the master that leads, once one does; not one of `except`. */
  async leader(except: readonly number[] = []): Promise<number> {
    let found = -1;
    await until('a leader', async () => {
      const { entries } = await this.#leaderKey();
      const address = entries[0] && (JSON.parse(entries[0]) as { address: string }).address;
      found = this.masters.findIndex(({ host, grpc }) => `${host}:${grpc}` === address);
      return found >= 0 && !except.includes(found);
    });
    return found;
  }

  /** Calls one master, or any. */
  async ask<Answer>(use: (admin: AdminClient) => Promise<Answer>, at?: number): Promise<Answer> {
    const one = at === undefined ? undefined : this.masters[at];
    const admin = connectAdmin(one === undefined ? this.masterList : `${one.host}:${one.grpc}`);
    try {
      return await use(admin);
    } finally {
      admin.close();
    }
  }

  async load(
    keyspace: string,
    rows: VersionedRows,
    version: number,
    more: string[] = [],
  ): Promise<Finished> {
    const file = join(this.folder, `${keyspace}-${version}.data`);
    await rows.write(file, version);
    return stele(this.loadArguments(keyspace, file, more));
  }

  /** Where loads keep their checkpoints. */
  get workDir(): string {
    return join(this.folder, 'loads');
  }

  loadArguments(keyspace: string, file: string, more: readonly string[] = []): string[] {
    const own = words({ master: this.masterList, 'work-dir': this.workDir });
    return ['load', keyspace, file, ...own, ...more];
  }

  /** Waits until `count` datanodes serve, as the leader sees it. */
  async serving(count: number): Promise<void> {
    await until(`${count} serving datanodes`, async () => {
      const health = await this.ask((admin) => admin.getHealth({ waitFor: 0, timeoutMs: 0 })).catch(
        () => undefined,
      );
      if (health?.noLeader !== undefined) return false;
      return health?.ready === true && health.nodes.length >= count && health.status === 1;
    });
  }

  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<Finished> {
    return this.#member(name).process.kill(signal);
  }

  async close(): Promise<void> {
    const running = [...this.#members.values()].filter(({ process }) => isRunning(process.pid));
    await Promise.all(
      running.map(({ process }) => {
        process.child.kill('SIGCONT');
        return process.kill();
      }),
    );
    await this.etcd.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #leaderKey(): Promise<{ entries: string[] }> {
    const text = await this.etcd.ctl('get', `${PREFIX}leader`, '--print-value-only');
    return { entries: text.trim() === '' ? [] : [text.trim()] };
  }

  async #startMaster(name: string, prefix: string): Promise<Addresses> {
    const { etcdAt = () => this.etcd.endpoints, masterFlags = [], shards = 32 } = this.#options;
    return this.#start(name, [
      'master',
      ...words({ metadata: 'etcd', 'etcd-endpoints': etcdAt(this.etcd).join(',') }),
      ...words({ 'etcd-prefix': prefix, 'leader-ttl': '3s', shards }),
      ...masterFlags,
    ]);
  }

  async #start(name: string, args: readonly string[]): Promise<Addresses> {
    const before = this.#members.get(name)?.addresses;
    const ports = words({
      'http-port': before?.http ?? 0,
      'resp-port': before?.resp ?? 0,
      'grpc-port': before?.grpc ?? 0,
    });
    const process = new SteleProcess([...args, ...ports]);
    await process.printed(/ pid \d+ http /);
    const [addresses] = process.addresses();
    this.#members.set(name, { process, addresses: addresses! });
    return addresses!;
  }

  #member(name: string): Member {
    const found = this.#members.get(name);
    if (found === undefined) throw new Error(`${name} was not started`);
    return found;
  }

  #of(kind: string): Addresses[] {
    return [...this.#members]
      .filter(([name]) => name.startsWith(kind))
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([, { addresses }]) => addresses);
  }
}

function indexes(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}
