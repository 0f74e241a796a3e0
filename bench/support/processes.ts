// Processes that end with the benchmark, and what the operating system reports about them.

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Program } from '../bench.ts';

/** At run time this file is in dist/bench/support/. */
export const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
export const MAIN = join(PROJECT, 'dist', 'cli', 'main.js');
const QUIET_LOG = { STELE_LOG_LEVEL: 'error' };
const ANY_PORTS = ['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'] as const;

/** A process that has printed the awaited output. */
export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly printed: string;
}

/** Where a role of Stele listens on 127.0.0.1. */
export interface Addresses {
  readonly title: string;
  readonly pid: number;
  readonly http: number;
  readonly resp: number;
  readonly grpc: number;
}

const children = new Set<ChildProcess>();
const folders = new Set<string>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) removeFolder(folder);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/**
 * Datanodes under `up` end a moment after it, and write until then. The retries of `rmSync` do not
 * help: they do not list the folder again.
 */
function removeFolder(folder: string): void {
  for (let left = 20; ; left--) {
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (left === 0) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
}

/** A folder that is removed when the benchmark ends. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stele-bench-'));
  folders.add(folder);
  return folder;
}

/** Starts a process; resolves once `pattern` is in its stdout, and rejects if it ends before. */
export function start(
  command: string,
  args: readonly string[],
  pattern: RegExp,
  environment: NodeJS.ProcessEnv = {},
): Promise<Started> {
  const child = begin(command, args, { stdio: ['ignore', 'pipe', 'inherit'] }, environment);
  let printed = '';
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      if (pattern.test(printed)) resolve({ child, pid: child.pid ?? -1, printed });
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}: ${printed}`)));
  });
}

/** Starts a process without waiting for its output. */
export function begin(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
  environment: NodeJS.ProcessEnv = {},
): ChildProcess {
  const child = spawn(command, args, { ...options, env: { ...process.env, ...environment } });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Starts a role of Stele, or all of them by `up`; resolves once it has printed its addresses. */
export function startStele(
  args: readonly string[],
  pattern = /^.* pid \d+ http .*$/m,
  environment: NodeJS.ProcessEnv = {},
): Promise<Started> {
  const words = [MAIN, ...args, ...ANY_PORTS];
  return start(process.execPath, words, pattern, { ...QUIET_LOG, ...environment });
}

export async function stop(
  { child }: { child: ChildProcess },
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Runs a command to its end; returns its stdout, and throws unless its exit code is 0. */
export function run(command: string, args: readonly string[], input?: string | Buffer): string {
  const done = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...QUIET_LOG },
    ...(input === undefined ? {} : { input }),
  });
  if (done.status !== 0) {
    const how = done.error?.message ?? `ended with ${done.status ?? done.signal}: ${done.stderr}`;
    throw new Error(`${command} ${args.join(' ')} ${how}`);
  }
  return done.stdout;
}

/** Runs a verb of Stele to its end; returns its stdout. */
export function stele(...args: readonly string[]): string {
  return run(process.execPath, [MAIN, ...args]);
}

export function isInstalled({ name }: Program): boolean {
  return spawnSync('which', [name]).status === 0;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** The addresses that `stele up`, `stele master` and `stele datanode` print. */
function addressesIn(text: string): Addresses[] {
  const line = /^(\S+(?: \S+)?) pid (\d+) http \S+:(\d+) resp \S+:(\d+) grpc \S+:(\d+)$/gm;
  return [...text.matchAll(line)].map(([, title = '', pid, http, resp, grpc]) => ({
    title,
    pid: Number(pid),
    http: Number(http),
    resp: Number(resp),
    grpc: Number(grpc),
  }));
}

/** The only role whose addresses `started` has printed. */
export function addressOf({ printed }: Started): Addresses {
  const [address] = addressesIn(printed);
  if (address === undefined) throw new Error(`no address in: ${printed}`);
  return address;
}

/** A ready cluster of `stele up`. */
export interface Cluster {
  readonly child: ChildProcess;
  readonly master: Addresses;
  /** HOST:PORT of the master's gRPC. */
  readonly masterAt: string;
  readonly datanodes: readonly Addresses[];
}

export async function startCluster(
  dataDir: string,
  flags: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
): Promise<Cluster> {
  const words = ['up', '--data-dir', dataDir, ...flags];
  const { child, printed } = await startStele(words, /^ready$/m, environment);
  const processes = addressesIn(printed);
  const master = processes.find(({ title }) => title === 'master');
  if (master === undefined) throw new Error(`no master in: ${printed}`);
  const datanodes = processes.filter(({ title }) => title.startsWith('datanode'));
  return { child, master, masterAt: `127.0.0.1:${master.grpc}`, datanodes };
}

/** Loads files into a keyspace; throws unless the expected number of rows is loaded. */
export function load(
  masterAt: string,
  keyspace: string,
  path: string,
  workDir: string,
  rowCount: number,
): void {
  const flags = ['--master', masterAt, '--work-dir', workDir, '-o', 'json'];
  const printed = stele('load', keyspace, path, ...flags);
  const { loaded } = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as { loaded: number };
  if (loaded !== rowCount) throw new Error(`loaded ${loaded} of ${rowCount}`);
}

/** Resident bytes of a process. */
export function residentBytes(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return pages * 4096;
}

/** CPU seconds that a process has used. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
