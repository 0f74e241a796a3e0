// The verbs of operators against real processes: top, describe, doctor, bench, and completion in
// real shells.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { PROJECT, SteleProcess, stele, until } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { hasLibrary } from '../../support/tools.ts';

const rows = new VersionedRows(2000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, ['prices', 'geo'], { datanodes: 2, shards: 8 });
}, 120_000);

afterAll(() => cluster?.close());

const run = (...words: string[]) => stele([...words, '--master', cluster.masterGrpc]);

/** Waits until the datanodes have answered a hundred reads more, of a keyspace without a cache. */
async function manyReads(): Promise<void> {
  const count = async (): Promise<number> =>
    (await cluster.lookups('node-0')) + (await cluster.lookups('node-1'));
  const before = await count();
  await until('a hundred reads', async () => (await count()) > before + 100);
}

const SHORT = ['--duration', '500ms', '--warm-up', '100ms', '--connections', '4', '-o', 'json'];

test('bench reads through every door, and finds every key that it scanned', async () => {
  const { host, http, resp } = cluster.master;
  const keys = join(cluster.folder, 'keys.txt');
  writeFileSync(keys, Array.from({ length: 100 }, (_, index) => rows.key(index)).join('\n'));
  for (const words of [
    ['--redis', `${host}:${resp}`, '--pipeline', '8'],
    ['--redis', `${host}:${resp}`, '--rate', '500'],
    ['--http', `${host}:${http}`, '--keys-from', keys],
    ['--library', '--master', cluster.masterGrpc],
  ]) {
    const done = await stele(['bench', 'prices', ...words, ...SHORT]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    const report = JSON.parse(done.stdout) as { hits: number };
    expect(report).toMatchObject({ misses: 0, errors: [], changed: 0, unsent: 0 });
    expect(report.hits).toBeGreaterThan(10);
  }
}, 120_000);

test('an interrupted bench reports what it has counted, and ends with 130', async () => {
  const { host, resp } = cluster.master;
  // A fast machine has all keys in the front's cache by now, and the datanodes are asked for none.
  await run('cache', 'prices', 'off');
  const words = ['bench', 'prices', '--redis', `${host}:${resp}`, '--warm-up', '0'];
  const bench = new SteleProcess([
    ...words,
    '--duration',
    '1h',
    '--connections',
    '2',
    '-o',
    'json',
  ]);
  await manyReads();
  const { code, stdout } = await bench.kill('SIGINT');
  expect(code).toBe(130);
  expect(JSON.parse(stdout)).toMatchObject({ errors: [] });
}, 60_000);

test('top has the rates of the reads of now, by datanode and keyspace', async () => {
  const { host, resp } = cluster.master;
  await run('cache', 'geo', 'off');
  const words = ['bench', 'geo', '--redis', `${host}:${resp}`, '--rate', '200', '--duration', '1h'];
  const bench = new SteleProcess([...words, '--connections', '4']);
  await manyReads();
  const { code, stdout } = await run('top', '--interval', '1s', '-o', 'json');
  await bench.kill('SIGINT');
  expect(code).toBe(0);
  const report = JSON.parse(stdout) as {
    nodes: { name: string; reads_per_second: number; hit_ratio: number; p99_ms: number }[];
    keyspaces: { name: string; reads_per_second: number }[];
    front: { reads_per_second: number };
  };
  expect(report.nodes.map(({ name }) => name)).toEqual(['node-0', 'node-1']);
  const total = report.nodes.reduce((sum, node) => sum + node.reads_per_second, 0);
  expect(total).toBeGreaterThan(20);
  const geo = report.keyspaces.find(({ name }) => name === 'geo');
  expect(geo?.reads_per_second).toBeCloseTo(total, 0);
  expect(report.front.reads_per_second).toBeGreaterThan(20);
  for (const node of report.nodes) expect(node).toMatchObject({ hit_ratio: 1 });
}, 60_000);

test('describe has everything on one thing', async () => {
  const keyspace = await run('describe', 'keyspace', 'prices');
  expect(keyspace.stdout).toMatch(/^State: +running$[^]*^Versions:\n[^]*^Last loads:\n/m);
  const node = await run('describe', 'node', 'node-1', '-o', 'json');
  expect(JSON.parse(node.stdout)).toMatchObject({ id: 'node-1', state: 'SERVING' });
  const loads = await run('loads', 'prices', '-o', 'name');
  const load = await run('describe', 'load', loads.stdout.trim());
  expect(load.stdout).toMatch(/^State: +committed$[^]*^Rows: +2,000 read/m);
  expect((await run('describe', 'shard', '0')).stdout).toMatch(/^Keyspace prices, version 1/m);
  const wrong = await run('describe', 'keyspace', 'prics');
  expect(wrong).toMatchObject({ code: 1 });
  expect(wrong.stderr).toMatch(/'prics' \(Did you mean prices\?\)/);
}, 60_000);

test('doctor finds a cluster that is well, and its clocks', async () => {
  const { grpc, http, resp } = cluster.master;
  const ports = ['--http-port', `${http}`, '--resp-port', `${resp}`, '--grpc-port', `${grpc}`];
  const done = await run('doctor', ...ports, '--data-dir', cluster.folder);
  expect(done.stdout).toMatch(/^ok +master 127.0.0.1:[0-9]+ +answers/m);
  expect(done.stdout).toMatch(/^ok +datanode node-1 +is reachable/m);
  expect(done.stdout).toMatch(/^ok +clock of node-1 +agrees/m);
  expect(done.stdout).toMatch(new RegExp(`^ok +port ${http} +open in a process of Stele`, 'm'));
  expect(done.code).toBe(0);
}, 60_000);

describe('completion', () => {
  /** A folder with `stele`, for the PATH. */
  function path(): string {
    const folder = join(tempDir(), 'bin');
    mkdirSync(folder);
    const file = join(folder, 'stele');
    const main = join(PROJECT, 'dist/cli/main.js');
    writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
    chmodSync(file, 0o755);
    return `${folder}:${process.env['PATH']}`;
  }

  function shell(program: string, script: string): string[] {
    const env = { ...process.env, PATH: path(), STELE_MASTER: cluster.masterGrpc };
    const { stderr, stdout } = spawnSync(program, ['-c', script], { encoding: 'utf8', env });
    expect(stderr).toBe('');
    return stdout.split('\n').filter(Boolean);
  }

  const installed = (program: string): boolean =>
    hasLibrary(program, 'sh', ['-c', `command -v ${program}`], program);

  test('bash', () => {
    const complete = (line: string): string[] =>
      shell(
        'bash',
        `source <(stele completion bash)
         COMP_LINE='${line}' COMP_POINT=${line.length}
         COMP_WORDS=(${line.replaceAll(/([=:])/g, ' $1 ')}) COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
         _stele; printf '%s\\n' "\${COMPREPLY[@]}"`,
      );
    expect(complete('stele keyspaces')).toEqual(['keyspaces']);
    expect(complete('stele versions p')).toEqual(['prices']);
    expect(complete('stele node drain node-')).toEqual(['node-0', 'node-1']);
    expect(complete('stele keyspaces --output=')).toEqual([
      'table',
      'wide',
      'json',
      'yaml',
      'name',
    ]);
    expect(complete('stele nodes --no-h')).toEqual(['--no-headers']);
    expect(complete(`stele load prices ${PROJECT}package.j`)).toEqual([`${PROJECT}package.json`]);
  }, 60_000);

  test('no names, and no error, when there is no cluster', () => {
    const done = shell(
      'bash',
      `export STELE_MASTER=127.0.0.1:1; stele __complete 'stele versions '; echo "code $?"`,
    );
    expect(done).toEqual(['code 0']);
  }, 60_000);

  test('zsh', () => {
    if (!installed('zsh')) return;
    // _describe needs a line editor; what it is given shows what would be offered.
    const complete = (line: string): string[] =>
      shell(
        'zsh',
        `compdef() { : }; _describe() { print -l -- \${(P)4} }; _files() { print FILES }
         source <(stele completion zsh)
         words=(${line}) CURRENT=\${#words} PREFIX=\${words[-1]}
         _stele`,
      );
    expect(complete('stele keyspaces')).toEqual(['keyspaces:list the keyspaces']);
    expect(complete('stele versions p')).toEqual(['prices']);
    expect(complete('stele verify p')).toEqual(['FILES']);
  }, 60_000);

  test('fish', () => {
    if (!installed('fish')) return;
    const complete = (line: string): string[] =>
      shell('fish', `stele completion fish | source; complete -C '${line}'`);
    expect(complete('stele keyspaces')).toEqual(['keyspaces\tlist the keyspaces']);
    expect(complete('stele versions p')).toEqual(['prices']);
    expect(complete('stele keyspaces --output=js')).toEqual(['--output=json']);
  }, 60_000);
});
