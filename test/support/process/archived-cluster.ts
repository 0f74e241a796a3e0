// Backups and restores of real clusters, as processes.

import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { SteleClient } from '../../../client/stele-client.ts';
import { TestCluster } from './cluster.ts';
import type { ClusterOptions } from './cluster.ts';
import { steleShared } from './shared-process.ts';
import type { Done } from './shared-process.ts';
import { SteleProcess, flags } from './stele-process.ts';

export interface BackupJson {
  readonly snapshot: string;
  readonly copied: { readonly objects: number; readonly bytes: number };
  readonly present: { readonly objects: number; readonly bytes: number };
  readonly requests: number;
  readonly keyspaces: readonly { readonly name: string; readonly digest: string }[];
}

export interface RestoreJson {
  readonly keyspaces: readonly {
    readonly target: string;
    readonly way: 'segments' | 'rows' | 'there';
    readonly versions: readonly { readonly was: number; readonly version: number }[];
  }[];
}

export interface VersionJson {
  readonly version: number;
  readonly current: boolean;
  readonly records: number;
  readonly digest: string;
  readonly deltas: number;
  readonly source: string;
}

type Environment = Record<string, string>;

/** One verb against a cluster, with `-o json`, in a process that the tests share. */
export function run(
  cluster: TestCluster,
  words: readonly string[],
  env: Environment = {},
): Promise<Done> {
  return steleShared(wordsFor(cluster, words), env);
}

/** The same as a process of its own. */
export function start(
  cluster: TestCluster,
  words: readonly string[],
  env: Environment = {},
): SteleProcess {
  return new SteleProcess(wordsFor(cluster, words), { env });
}

function wordsFor(cluster: TestCluster, words: readonly string[]): string[] {
  const own = flags({ master: cluster.masterGrpc, output: 'json' });
  const workDir = words[0] === 'restore' ? flags({ 'work-dir': join(cluster.folder, 'work') }) : [];
  return [...words, ...own, ...workDir];
}

/** The summary of a run that must succeed. */
export async function succeed<Json>(
  cluster: TestCluster,
  words: readonly string[],
  env: Environment = {},
): Promise<Json> {
  return jsonOf(await run(cluster, words, env)) as Json;
}

export function jsonOf({ code, stderr, stdout }: Done): unknown {
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

/** The code and the sentence of a run that must fail. */
export function failureOf({ code, stderr }: Done): {
  exit: number | null;
  code: string;
  message: string;
} {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const { error } = JSON.parse(line) as { error: { code: string; message: string } };
  return { exit: code, ...error };
}

export async function versionsOf(cluster: TestCluster, keyspace: string): Promise<VersionJson[]> {
  return succeed(cluster, ['versions', keyspace]);
}

export function folderUrl(folder: string): string {
  return pathToFileURL(folder).href;
}

/** Values that no text format would keep by accident. */
export function valueOf(row: number, version: number): string {
  return `"${row}",\t${version}\r\n\\\u{1f600} ${'x'.repeat(row % 300)}`;
}

/** Rows [from, to) as JSON Lines. */
function writeRows(path: string, from: number, to: number, version: number): void {
  const lines: string[] = [];
  for (let row = from; row < to; row++) {
    lines.push(JSON.stringify({ key: `key, "${row}"`, value: valueOf(row, version) }));
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
}

const ROWS = 20_000;

/**
 * A cluster with `prices`: version 1, and 2 which is 1 with deltas (rows 15,000 to 25,000 are new);
 * and `geo`, whose version 1 is current again after 2.
 */
export async function startFilled(options: ClusterOptions = {}): Promise<TestCluster> {
  const cluster = await TestCluster.start({ datanodes: 3, shards: 16, ...options });
  try {
    const file = (name: string): string => join(cluster.folder, `${name}.jsonl`);
    const columns = flags({ key: 'key', value: 'value' });
    writeRows(file('base'), 0, ROWS, 1);
    writeRows(file('delta'), 15_000, 25_000, 2);
    writeRows(file('geo'), 0, 500, 7);
    writeRows(file('geo-2'), 0, 600, 8);
    await cluster.load('prices', [file('base')], columns);
    await cluster.load('prices', [file('delta')], [...columns, ...flags({ mode: 'append' })]);
    await cluster.load('geo', [file('geo')], [...columns, ...flags({ tier: 'disk' })]);
    await cluster.load('geo', [file('geo-2')], columns);
    await run(cluster, ['rollback', 'geo']);
    await cluster.status('green');
  } catch (thrown) {
    await cluster.close();
    throw thrown;
  }
  return cluster;
}

/** Reads some rows of `prices`; returns those that are not as `startFilled` loaded them. */
export async function wrongReads(cluster: TestCluster, keyspace: string): Promise<string[]> {
  const client = new SteleClient({ seeds: [cluster.masterGrpc] });
  try {
    const rows = Array.from({ length: 250 }, (_, at) => at * 101);
    const { values } = await client.getMany(
      keyspace,
      rows.map((row) => `key, "${row}"`),
    );
    return rows.flatMap((row, at) => {
      const expected = row < 25_000 ? valueOf(row, row < 15_000 ? 1 : 2) : undefined;
      const found = values[at]?.toString();
      return found === expected ? [] : [`${row}: ${found}`];
    });
  } finally {
    await client.close();
  }
}
