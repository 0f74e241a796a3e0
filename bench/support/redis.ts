// Stele and redis-server with the same rows, for redis-benchmark: a master and one datanode, each
// in its own process, next to one redis-server.

import { once } from 'node:events';
import { join } from 'node:path';
import type { Row, Table } from '../bench.ts';
import { median } from './measure.ts';
import {
  addressOf,
  begin,
  cpuSeconds,
  freePort,
  load,
  residentBytes,
  run,
  start,
  startStele,
  stele,
  tempFolder,
} from './processes.ts';
import type { Addresses, Started } from './processes.ts';
import { writeLines } from './rows.ts';

export const KEY_BYTES = 16;
export const VALUE_BYTES = 100;
export const GET = ['GET', 'key:__rand_int__'];

/** Files in PEM, of both servers. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The result of redis-benchmark. */
interface Benchmarked {
  /** Operations per second. */
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Server {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  /** With TLS: the file of the authority. */
  readonly ca?: string | undefined;
  /** Number of the keyspace. Default: 0. */
  readonly database?: number;
}

export interface Work {
  readonly title: string;
  readonly operations: number;
  readonly pipeline: number;
  /** Keys are drawn at random below this number. */
  readonly keys: number;
  readonly command: readonly string[];
}

/**
 * Rows `key:000000000000 value`, the keys that redis-benchmark asks for, and a tenth as many in one
 * slot, for MGET.
 */
export function withTagged(rowCount: number): number {
  return rowCount + Math.ceil(rowCount / 10);
}

export function keyOf(row: number, rowCount: number): string {
  const [prefix, number] = row < rowCount ? ['key:', row] : ['{t}:', row - rowCount];
  return `${prefix}${String(number).padStart(KEY_BYTES - 4, '0')}`;
}

/** One run of redis-benchmark with 50 connections. */
export function redisBenchmark(
  port: number,
  operations: number,
  pipeline: number,
  keys: number,
  command: readonly string[],
  ca?: string,
  database = 0,
): Benchmarked {
  const printed = run('redis-benchmark', [
    ...(ca === undefined ? [] : ['--tls', '--cacert', ca]),
    ...['-p', String(port), '-c', '50', '-n', String(operations), '-r', String(keys)],
    ...['--dbnum', String(database)],
    ...['-P', String(pipeline), '--csv', ...command],
  ]);
  const cells = (printed.trim().split('\n').at(-1) ?? '').replaceAll('"', '').split(',');
  const [rate = 0, , , p50Ms = 0, , p99Ms = 0] = cells.slice(1).map(Number);
  return { rate, p50Ms, p99Ms };
}

/** The two servers, with `rowCount` rows and the tagged ones. */
export class Pair {
  readonly folder = tempFolder();
  readonly rowCount: number;
  readonly valueBytes: number;
  readonly redis: Started;
  readonly redisPort: number;
  readonly #tls: TlsFiles | undefined;
  readonly master: Addresses;
  readonly datanode: Started;
  readonly datanodeAt: Addresses;
  /** Resident bytes before the rows were loaded. */
  readonly empty: { readonly redis: number; readonly datanode: number };

  private constructor(
    rowCount: number,
    valueBytes: number,
    started: {
      folder: string;
      redis: Started;
      redisPort: number;
      master: Addresses;
      datanode: Started;
      tls: TlsFiles | undefined;
    },
  ) {
    this.folder = started.folder;
    this.rowCount = rowCount;
    this.valueBytes = valueBytes;
    this.redis = started.redis;
    this.redisPort = started.redisPort;
    this.#tls = started.tls;
    this.master = started.master;
    this.datanode = started.datanode;
    this.datanodeAt = addressOf(started.datanode);
    this.empty = {
      redis: residentBytes(this.redis.pid),
      datanode: residentBytes(this.datanode.pid),
    };
  }

  /** With `tls`, the environment of this process names the same files for Stele. */
  static async start(rowCount: number, valueBytes = VALUE_BYTES, tls?: TlsFiles): Promise<Pair> {
    const folder = tempFolder();
    const { plainPort, port: redisPort, redis } = await startRedis(folder, tls);
    const dataDir = join(folder, 'master');
    const master = addressOf(
      await startStele(['master', '--replication', '1', '--data-dir', dataDir]),
    );
    const datanode = await startDatanode(folder, master);
    loadRows(folder, master, 'warm', Math.ceil(rowCount / 50), valueBytes);
    const pair = new Pair(rowCount, valueBytes, {
      folder,
      redis,
      redisPort,
      master,
      datanode,
      tls,
    });
    await fillRedis(plainPort, rowCount, valueBytes);
    loadRows(folder, master, 'default', rowCount, valueBytes);
    return pair;
  }

  startRedis(): Promise<{ redis: Started; port: number }> {
    return startRedis(this.folder, this.#tls);
  }

  startDatanode(): Promise<Started> {
    return startDatanode(this.folder, this.master);
  }

  /** Loads the same rows once more, with their records on disk: the datanode as a server of these. */
  loadOnDisk(): Server {
    const keyspace = 'on-disk';
    process.env['STELE_TIER'] = 'disk';
    loadRows(this.folder, this.master, keyspace, this.rowCount, this.valueBytes);
    delete process.env['STELE_TIER'];
    const master = `127.0.0.1:${this.master.grpc}`;
    stele('tier', keyspace, 'disk', '--wait', '--master', master);
    const all = JSON.parse(stele('keyspaces', '-o', 'json', '--master', master)) as {
      name: string;
      index: number;
    }[];
    const database = all.find(({ name }) => name === keyspace)?.index ?? 0;
    return { ...this.datanodeServer, name: 'datanode, on disk', database };
  }

  get redisServer(): Server {
    return { name: 'redis-server', port: this.redisPort, pid: this.redis.pid, ca: this.#tls?.ca };
  }

  get datanodeServer(): Server {
    const { pid } = this.datanode;
    return { name: 'datanode', port: this.datanodeAt.resp, pid, ca: this.#tls?.ca };
  }
}

async function startRedis(
  folder: string,
  tls?: TlsFiles,
): Promise<{ redis: Started; port: number; plainPort: number }> {
  const plainPort = await freePort();
  const port = tls === undefined ? plainPort : await freePort();
  const secure =
    tls === undefined
      ? []
      : [
          ...['--tls-port', String(port), '--tls-auth-clients', 'no', '--tls-ca-cert-file', tls.ca],
          ...['--tls-cert-file', tls.cert, '--tls-key-file', tls.key],
        ];
  const args = ['--port', String(plainPort), '--save', '', '--dir', folder, ...secure];
  return { redis: await start('redis-server', args, /eady to accept/), port, plainPort };
}

function startDatanode(folder: string, { grpc }: Addresses): Promise<Started> {
  return startStele([
    ...['datanode', '--id', 'node-0', '--master', `127.0.0.1:${grpc}`],
    ...['--data-dir', join(folder, 'node-0')],
    // What is measured on disk is read from it; disk-cache measures the cache.
    ...['--disk-cache', '0'],
  ]);
}

/** The first load compiles what later loads use, and starts what they need. */
function loadRows(
  folder: string,
  { grpc }: Addresses,
  keyspace: string,
  rowCount: number,
  valueBytes: number,
): void {
  const value = 'x'.repeat(valueBytes);
  const total = withTagged(rowCount);
  const lineOf = (row: number): string => `${keyOf(row, rowCount)} ${value}\n`;
  const path = writeLines(join(folder, `${keyspace}.data`), total, lineOf);
  load(`127.0.0.1:${grpc}`, keyspace, path, join(folder, 'work'), total);
}

/** Fills it through a pipe, in the format of `redis-cli --pipe`. */
async function fillRedis(port: number, rowCount: number, valueBytes: number): Promise<void> {
  const cli = begin('redis-cli', ['-p', String(port), '--pipe'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const ended = once(cli, 'exit');
  const value = 'x'.repeat(valueBytes);
  const total = withTagged(rowCount);
  for (let row = 0; row < total;) {
    let text = '';
    for (; row < total && text.length < 1 << 20; row++) {
      text += `*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\n${keyOf(row, rowCount)}\r\n$${valueBytes}\r\n${value}\r\n`;
    }
    if (cli.stdin?.write(text) === false) await once(cli.stdin, 'drain');
  }
  cli.stdin?.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`redis-cli --pipe ended with ${String(code)}`);
}

/**
 * Runs the work on each server in turn, for some rounds; returns a row per server, with its ratios
 * to the first.
 */
export function compare(work: Work, servers: readonly Server[], rounds: number): Row[] {
  const { command, keys, operations, pipeline, title } = work;
  const measure = ({ ca, database, pid, port }: Server): { rate: number; cpuNs: number } => {
    const before = cpuSeconds(pid);
    const { rate } = redisBenchmark(port, operations, pipeline, keys, command, ca, database);
    return { rate, cpuNs: ((cpuSeconds(pid) - before) * 1e9) / operations };
  };
  const results = servers.map((): { rate: number; cpuNs: number }[] => []);
  for (const server of servers) measure(server);
  for (let round = 0; round < rounds; round++) {
    for (const [index, server] of servers.entries()) results[index]?.push(measure(server));
  }
  const rates = results.map((all) => median(all.map(({ rate }) => rate)));
  const cpus = results.map((all) => median(all.map(({ cpuNs }) => cpuNs)));
  return servers.map(({ name }, index) => {
    const [rate, cpu] = [rates[index] ?? 0, cpus[index] ?? 0];
    const [baseRate, baseCpu] = [rates[0] ?? Number.NaN, cpus[0] ?? Number.NaN];
    return { what: [title, name], figures: [rate, rate / baseRate, cpu, cpu / baseCpu] };
  });
}

export function comparedTable(caption: string, rows: readonly Row[]): Table {
  return {
    caption,
    labels: ['work', 'server'],
    columns: [
      { title: 'operations/s', digits: 0, better: 'higher' },
      { title: 'ratio', digits: 2, better: 'higher' },
      { title: 'CPU ns/operation', digits: 0, better: 'lower' },
      { title: 'ratio of CPU', digits: 2, better: 'lower' },
    ],
    rows,
  };
}
