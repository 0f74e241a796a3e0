// The tests under other versions of Node.js, with an npm that installs a copy of this one.

import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { PROJECT } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { runTool } from '../../support/tools.ts';
import { plantedProject } from './planted.ts';

const PACKAGE = `node-${process.platform}-${process.arch}`;
const NOT_INSTALLED = `The npm package ${PACKAGE}@99 could not be installed from https://registry.test/`;
const INSTALL = `
  case "$*" in *@98*) ;; *) echo 'npm error code ENOTFOUND' >&2; exit 1 ;; esac
  binaries="$3/node_modules/${PACKAGE}/bin"
  mkdir -p "$binaries" && cp '${process.execPath}' "$binaries/node"`;

/** Runs them in `project`, where npm can install version 98 only. */
function runNodes(project: string, majors: string, environment: string): Promise<string> {
  const tools = tempDir();
  const npm = `#!/bin/sh\n[ "$1" != config ] || { echo https://registry.test/; exit; }\n${INSTALL}\n`;
  writeFileSync(join(tools, 'npm'), npm, { mode: 0o755 });
  const command = `
    cd '${project}' && export PATH='${tools}${delimiter}'"$PATH" ${environment}
    '${process.execPath}' '${PROJECT}/.ci/nodes.mjs' ${majors}
    echo "ended with $?"`;
  return runTool('bash', ['-c', command], '', 60_000);
}

it('runs the tests, and what they start, with the binary of a version; fails without a binary', async () => {
  const body = `
    import { execFileSync } from 'node:child_process';
    const started = (program) => execFileSync(program, ['-p', 'process.execPath'], { encoding: 'utf8' });
    test('runs the installed binary', () => {
      expect(process.execPath).toMatch(/stele-node-.*${PACKAGE}.bin.node$/);
      expect(started(process.execPath).trim()).toBe(process.execPath);
      expect(started('node').trim()).toBe(process.execPath);
    });`;
  const project = plantedProject({
    'test/e2e/main/a.test.ts': `test('runs', () => {});`,
    'test/segment/verify.test.ts': body,
    ...Object.fromEntries(
      ['e2e/loads', 'e2e', 'cli', 'master', 'master/core/plans', 'master/metadata/etcd'].map(
        (folder) => [`test/${folder}/a.test.ts`, `test('is left out', () => expect(1).toBe(2));`],
      ),
    ),
  });
  const output = await runNodes(project, '98 99', 'STELE_REQUIRE_TOOLS=1');
  expect(output).toContain(`node-98: 2 passed, 0 failed\nnode-99: 0 passed, 1 failed\n`);
  expect(output).toContain(`== FAILED node-99: ${NOT_INSTALLED}`);
  expect(output).toContain('npm error code ENOTFOUND');
  expect(output).toContain('2 passed, 1 failed\nended with 1');
});

it('counts a version without a binary as skipped where tools may be missing', async () => {
  const project = plantedProject({});
  const output = await runNodes(project, '99', 'STELE_REQUIRE_TOOLS=0');
  expect(output).toContain(`== SKIPPED\nnode-99: ${NOT_INSTALLED}`);
  expect(output).not.toContain('FAILED');
});
