// A project whose only test files are planted ones, for CI's own parts to run on.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROJECT } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** Its folder; the bodies of `files` have `describe`, `expect` and `test`. */
export function plantedProject(
  files: Readonly<Record<string, string>>,
  flaky: readonly unknown[] = [],
): string {
  const folder = tempDir();
  mkdirSync(join(folder, 'test'));
  mkdirSync(join(folder, 'results'));
  symlinkSync(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'test/flaky.json'), JSON.stringify(flaky));
  // As in the project's own configuration, a project with an `exclude` of its own.
  const config = `
    const exclude = (process.env.STELE_TEST_EXCLUDE ?? '').split(' ').filter(Boolean);
    const include = ['**/*.test.{js,ts}'];
    const planted = { include, exclude: ['**/node_modules/**', ...exclude], isolate: false };
    export default {
      test: { pool: 'forks', maxWorkers: 1, projects: [{ extends: true, test: planted }] },
    };`;
  writeFileSync(join(folder, 'vitest.config.mjs'), config);
  for (const [name, body] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `import { describe, expect, test } from 'vitest';\n${body}`);
  }
  return folder;
}
