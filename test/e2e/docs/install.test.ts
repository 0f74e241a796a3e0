// The package as its users get it: installed in an empty folder, with its dependencies and without
// scripts, it runs a cluster, and a program that imports it is checked by the compiler.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ANY_PORTS, PROJECT, SteleProcess, flags } from '../../support/process/stele-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'stele-install-'));

function run(command: string, args: readonly string[], cwd = folder): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

beforeAll(() => {
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], PROJECT);
  const [file = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--prefer-offline', `./${file}`]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('npx stele up runs a cluster in an empty folder', async () => {
  const script = join(folder, 'node_modules', 'stele', 'dist', 'cli', 'main.js');
  writeFileSync(join(folder, 'rows.csv'), 'id,name\na,one\nb,two\n');
  const words = ['up', ...ANY_PORTS, ...flags({ load: 'names=rows.csv' })];
  const up = new SteleProcess(words, { cwd: folder, script });
  onTestFinished(() => void up.kill());
  await up.printed(/^ready$/m, 90_000);
  const [master] = up.addresses();
  const read = [
    '--no-install',
    'stele',
    'cli',
    '-p',
    String(master?.resp),
    '-k',
    'names',
    'GET',
    'b',
  ];
  expect(run('npx', read)).toBe('two\n');
  expect((await fetch(`http://127.0.0.1:${master?.http}/`)).status).toBe(200);
  expect(await up.kill('SIGTERM')).toMatchObject({ code: 0 });
}, 180_000);

test('the types of the library are whole', () => {
  writeFileSync(
    join(folder, 'use.ts'),
    `import { SteleClient, startCluster } from 'stele';
     const cluster = await startCluster({ datanodes: 1, replication: 1 });
     const client = new SteleClient({ seeds: ['127.0.0.1:8400'] });
     const value: Buffer | null = await client.get('names', 'a');
     console.log(value, cluster.datanodes.length);
     // @ts-expect-error: a key is text or bytes.
     await client.get('names', 1);
     await client.close();
     await cluster.close();`,
  );
  const words = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', 'use.ts'];
  const types = ['--typeRoots', join(PROJECT, 'node_modules', '@types'), '--types', 'node'];
  expect(run(join(PROJECT, 'node_modules', '.bin', 'tsc'), [...words, ...types])).toBe('');
}, 60_000);
