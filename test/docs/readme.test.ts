// Runs README.md: every command of "The first ten minutes", in order, against the cluster that `npm
// start` runs.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DOC_TOOLS, DocCluster, docSteps } from '../support/doc-steps.ts';
import { PROJECT } from '../support/process/stele-process.ts';
import { hasTool } from '../support/tools.ts';
import { readDoc, section } from './markdown.ts';

const LINES_MAX = 200;
const steps = docSteps(section(readDoc('README.md'), 'The first ten minutes'));
let cluster: DocCluster;

const missing = DOC_TOOLS.filter((tool) => !hasTool(tool, tool));

describe.skipIf(missing.length > 0)('the first ten minutes of README.md', () => {
  beforeAll(async () => {
    cluster = await DocCluster.start();
  }, 90_000);

  afterAll(async () => {
    expect(await cluster.close()).toMatchObject({ code: 0 });
  });

  test('starts with one master and three datanodes, both samples loaded', () => {
    const [first, ...others] = cluster.process.addresses().map(({ title }) => title);
    expect(first).toBe('master');
    // The processes start in parallel, in any order.
    expect(new Set(others)).toEqual(
      new Set(['datanode node-0', 'datanode node-1', 'datanode node-2']),
    );
    expect(others).toHaveLength(3);
    expect(cluster.process.stdout).toMatch(/^example: version 1, 10,000 keys/m);
    expect(cluster.process.stdout).toMatch(/^airports: version 1, 5,210 keys/m);
  });

  test.each(steps.map((step, index) => ({ ...step, number: index + 1 })))(
    '$number: $command',
    ({ command, expected }) => {
      const { status, stdout, stderr } = cluster.run(command);
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

test('README.md is short', () => {
  expect(readDoc('README.md').split('\n').length).toBeLessThanOrEqual(LINES_MAX);
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
