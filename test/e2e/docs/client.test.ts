// Runs the programs of docs/client.md against the cluster that `npm start` runs, and the program of
// README.md. The text after `// ->` must be in the output of the program.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_TABLE } from '../../../base/errors.ts';
import { pythonWith } from '../../support/tools.ts';
import { ANY_PORTS, flags, PROJECT, SteleProcess } from '../../support/process/stele-process.ts';
import { fencedBlocks, readDoc, section, tableRows } from '../../docs/markdown.ts';

const PROGRAM_MS_MAX = 20_000;
const page = readDoc('docs/client.md');
const folder = mkdtempSync(join(tmpdir(), 'stele-client-docs-'));
let cluster: SteleProcess;
let seed: string;

beforeAll(async () => {
  cluster = new SteleProcess([
    'up',
    ...ANY_PORTS,
    ...flags({ 'data-dir': join(folder, 'cluster'), load: 'airports=data/airports.csv' }),
  ]);
  await cluster.printed(/^ready$/m, 60_000);
  seed = `127.0.0.1:${cluster.addresses()[0]?.grpc ?? 0}`;
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(PROJECT, join(folder, 'node_modules', 'stele'));
}, 90_000);

afterAll(async () => {
  await cluster.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

function run(program: string, args: readonly string[]) {
  const options = { cwd: folder, encoding: 'utf8', timeout: PROGRAM_MS_MAX } as const;
  return spawnSync(program, args, { ...options, env: { ...process.env, NO_COLOR: '1' } });
}

/** Runs a block as a program, and checks its expected output. */
function expectItRuns(program: string, name: string, block: string, mark: string): void {
  writeFileSync(join(folder, name), block.replaceAll('127.0.0.1:8400', seed));
  const { status, stderr, stdout } = run(program, [name]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const expected = block.split('\n').filter((line) => line.startsWith(mark));
  for (const line of expected) expect(stdout).toContain(line.slice(mark.length));
}

const programs = fencedBlocks(page, 'js').map((block, index) => ({ block, number: index + 1 }));

test.each(programs)(
  'program $number of docs/client.md prints what it says',
  ({ block, number }) => {
    expectItRuns(process.execPath, `program-${number}.mjs`, block, '// -> ');
  },
);

test('every program of docs/client.md states its output', () => {
  expect(programs.length).toBeGreaterThanOrEqual(6);
  expect(programs.filter(({ block }) => !block.includes('// -> '))).toEqual([]);
});

test('the program of README.md runs', () => {
  const [block = ''] = fencedBlocks(section(readDoc('README.md'), 'From a program'), 'js');
  expectItRuns(process.execPath, 'readme.mjs', block, '// -> ');
});

test('the codes of docs/client.md are codes', () => {
  const codes = tableRows(page).flatMap(([cell = '']) => (/^[A-Z_]+$/.test(cell) ? [cell] : []));
  expect(codes.length).toBeGreaterThan(5);
  expect(codes.filter((code) => !Object.hasOwn(ERROR_TABLE, code))).toEqual([]);
});

const python = pythonWith('grpc_tools', 'python3-grpcio python3-grpc-tools');

test.runIf(python !== undefined)('the Python of docs/client.md prints what it says', () => {
  const [command = ''] = fencedBlocks(page, 'sh');
  symlinkSync(join(PROJECT, 'proto'), join(folder, 'proto'));
  const [, ...words] = command.trim().split(' ');
  expect(run(python ?? '', words)).toMatchObject({ status: 0 });
  expectItRuns(python ?? '', 'lookup.py', fencedBlocks(page, 'python')[0] ?? '', '# -> ');
});
