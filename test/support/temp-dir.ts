// A temporary folder per test, removed when the test is over.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** To be called inside a test; the folder is removed when that test has finished. */
export function tempDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stele-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
