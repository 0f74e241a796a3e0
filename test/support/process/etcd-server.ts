// Real etcd members for tests: a cluster of one or three on free ports of 127.0.0.1, in a temporary
// folder.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { silentLogger } from '../../../base/log.ts';
import { hasLibrary, hasTool, runTool } from '../tools.ts';
import { freePorts } from '../../../transport/listen.ts';
import { guard, removeAtEnd, unguard } from './watchdog.ts';

/** Whether etcd and etcdctl are installed; says so if not (test/support/tools.ts). */
export function hasEtcd(): boolean {
  return (
    hasTool('etcd', 'etcd-server') && hasLibrary('etcdctl', 'etcdctl', ['version'], 'etcd-client')
  );
}

interface EtcdServerOptions {
  readonly members?: 1 | 3;
  /** Flags for each member, in addition to those that it needs. */
  readonly flags?: readonly string[];
  /** `https` with the flags for its certificates. */
  readonly scheme?: 'http' | 'https';
}

/** One process of etcd. It keeps its folder and its ports when it is started again. */
export class EtcdMember {
  readonly endpoint: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #output = '';

  constructor(endpoint: string, args: readonly string[]) {
    this.endpoint = endpoint;
    this.#args = args;
  }

  start(): void {
    const child = spawn('etcd', this.#args, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (text: Buffer) => (this.#output += text.toString()));
    guard(child.pid ?? -1);
    this.#child = child;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Sends a signal, such as SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    unguard(child.pid ?? -1);
  }

  /** What it has printed, for the message of a failed start. */
  get output(): string {
    return this.#output;
  }
}

/** Three members elect a leader sooner than they do by default. */
const QUICK = ['--heartbeat-interval', '50', '--election-timeout', '500'];

/** A cluster. Call `close`. */
export class EtcdServer {
  readonly members: readonly EtcdMember[];
  readonly #folder: string;

  private constructor(members: readonly EtcdMember[], folder: string) {
    this.members = members;
    this.#folder = folder;
  }

  /** Starts a cluster; resolves when it answers, unless it needs certificates for that. */
  static async start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const { members = 1, flags = [], scheme = 'http' } = options;
    const folder = mkdtempSync(join(tmpdir(), 'stele-etcd-'));
    removeAtEnd(folder);
    const ports = await freePorts('127.0.0.1', 2 * members);
    const names = ports.slice(members).map((port, at) => [`m${at}`, port] as const);
    const peers = names.map(([name, port]) => `${name}=http://127.0.0.1:${port}`);
    const made = names.map(([name, peerPort], at) => {
      const endpoint = `127.0.0.1:${ports[at]}`;
      const own = [
        ['--name', name],
        ['--data-dir', join(folder, name)],
        ['--listen-client-urls', `${scheme}://${endpoint}`],
        ['--advertise-client-urls', `${scheme}://${endpoint}`],
        ['--listen-peer-urls', `http://127.0.0.1:${peerPort}`],
        ['--initial-advertise-peer-urls', `http://127.0.0.1:${peerPort}`],
        ['--initial-cluster', peers.join(',')],
        ['--initial-cluster-token', folder],
        ['--logger', 'zap'],
      ];
      const quick = members === 1 ? [] : QUICK;
      return new EtcdMember(endpoint, [...own.flat(), '--unsafe-no-fsync', ...quick, ...flags]);
    });
    const server = new EtcdServer(made, folder);
    for (const member of made) member.start();
    if (scheme === 'http') await server.#answers();
    return server;
  }

  /** The addresses of all members. */
  get endpoints(): string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  member(endpoint: string): EtcdMember {
    return this.members.find((each) => each.endpoint === endpoint)!;
  }

  /** Starts and continues what was killed or stopped; resolves when every member has a leader. */
  async mend(): Promise<void> {
    for (const member of this.members) {
      member.signal('SIGCONT');
      if (!member.isRunning) member.start();
    }
    await this.#answers();
  }

  /** Kills every member and starts it again with nothing of what it had. */
  async lose(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    for (const name of readdirSync(this.#folder)) {
      rmSync(join(this.#folder, name), { recursive: true });
    }
    await this.mend();
  }

  /** Runs etcdctl. Throws with its output if it fails. */
  async ctl(...args: string[]): Promise<string> {
    const endpoints = `--endpoints=${this.endpoints.join(',')}`;
    const output = await runTool('etcdctl', [endpoints, '--dial-timeout=5s', ...args]);
    if (/^(?:Error|\{"level":"warn")/m.test(output))
      throw new Error(`${args.join(' ')}: ${output}`);
    return output;
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<void> {
    for (const { endpoint, output } of this.members) {
      const options = { endpoints: [endpoint], log: silentLogger, deadlineMs: 20_000 };
      const client = new EtcdClient(options);
      try {
        await client.range('anything');
      } catch (thrown) {
        await this.close();
        throw new Error(`etcd does not start: ${output}`, { cause: thrown });
      } finally {
        client.close();
      }
    }
  }
}
