// Runs README.md: every command of "The first ten minutes", in order, against the cluster that `npm start`
// runs, on free ports and in its own folder. The text after `# ->` must be in the output of the command
// above.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROJECT, SteleProcess } from '../support/process/stele-process.ts';
import { hasTool } from '../support/tools.ts';
import type { Addresses } from '../support/process/stele-process.ts';
import { fencedBlocks, readDoc, section } from './markdown.ts';

const COMMAND_MS_MAX = 90_000;
const EXPECTED = '# -> ';

interface Step {
  readonly command: string;
  readonly expected: readonly string[];
}

const steps = fencedBlocks(section(readDoc('README.md'), 'The first ten minutes'), 'sh').flatMap(
  stepsOf,
);

function stepsOf(block: string): Step[] {
  const found: { command: string; expected: string[] }[] = [];
  for (const line of block.split('\n').filter((text) => text !== '')) {
    if (line.startsWith(EXPECTED)) found.at(-1)?.expected.push(line.slice(EXPECTED.length));
    else found.push({ command: line, expected: [] });
  }
  return found;
}

/** The arguments of `stele` in `npm start`. */
function startArguments(): string[] {
  const { scripts } = JSON.parse(readDoc('package.json')) as { scripts: { start: string } };
  return (scripts.start.split('dist/cli/main.js ')[1] ?? '').split(' ');
}

const folder = mkdtempSync(join(tmpdir(), 'stele-readme-'));
const freePorts = { STELE_HTTP_PORT: '0', STELE_RESP_PORT: '0', STELE_GRPC_PORT: '0' };
let cluster: SteleProcess;
let master: Addresses;

function run(command: string) {
  const onItsPorts = command
    .replaceAll('127.0.0.1:9000', `127.0.0.1:${master.http}`)
    .replaceAll('-p 7379', `-p ${master.resp}`);
  return spawnSync('bash', ['-euo', 'pipefail', '-c', onItsPorts], {
    cwd: folder,
    encoding: 'utf8',
    timeout: COMMAND_MS_MAX,
    env: {
      ...process.env,
      PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
      NO_COLOR: '1',
      STELE_MASTER: `127.0.0.1:${master.grpc}`,
      STELE_PORT: String(master.resp),
    },
  });
}

const tools = ['redis-cli', 'curl', 'bash'];
const missing = tools.filter((tool) => !hasTool(tool, tool));

describe.skipIf(missing.length > 0)('the first ten minutes of README.md', () => {
  beforeAll(async () => {
    symlinkSync(join(PROJECT, 'data'), join(folder, 'data'));
    mkdirSync(join(folder, 'bin'));
    // npx finds `stele` only in a checkout, which this folder is not.
    const script = `#!/bin/sh\nshift\nexec '${process.execPath}' '${join(PROJECT, 'dist/cli/main.js')}' "$@"\n`;
    writeFileSync(join(folder, 'bin', 'npx'), script, { mode: 0o755 });
    cluster = new SteleProcess(startArguments(), { cwd: folder, env: freePorts });
    await cluster.printed(/^ready$/m);
    const [first] = cluster.addresses();
    if (first === undefined) throw new Error(`no address in: ${cluster.stdout}`);
    master = first;
  });

  afterAll(async () => {
    const { code } = await cluster.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
    expect(code).toBe(0);
  });

  test('starts with one master and three datanodes, both samples loaded', () => {
    const [first, ...others] = cluster.addresses().map(({ title }) => title);
    expect(first).toBe('master');
    // The processes start in parallel, in any order.
    expect(new Set(others)).toEqual(
      new Set(['datanode node-0', 'datanode node-1', 'datanode node-2']),
    );
    expect(others).toHaveLength(3);
    expect(cluster.stdout).toMatch(/^example: version 1, 10,000 keys/m);
    expect(cluster.stdout).toMatch(/^airports: version 1, 5,210 keys/m);
  });

  test.each(steps.map((step, index) => ({ ...step, number: index + 1 })))(
    '$number: $command',
    ({ command, expected }) => {
      const { status, stdout, stderr } = run(command);
      expect({ status, stderr }).toMatchObject({ status: 0 });
      for (const text of expected) expect(stdout).toContain(text);
    },
  );
});

test('the section shows reading, loading, killing and going back, and states the expected output', () => {
  const all = steps.map(({ command }) => command).join('\n');
  for (const part of ['redis-cli', 'curl', 'stele cli', 'stele load', 'kill -9', 'rollback']) {
    expect(all).toContain(part);
  }
  const silent = steps.filter(({ expected }) => expected.length === 0);
  expect(silent.filter(({ command }) => !/^(printf|kill|npx stele load) /.test(command))).toEqual(
    [],
  );
});

test('npx stele runs in a checkout', () => {
  const words = 'stele --version'.split(' ');
  const version = execFileSync('npx', ['--no-install', ...words], {
    cwd: PROJECT,
    encoding: 'utf8',
  });
  const { version: expected } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(version.trim()).toBe(expected);
});
