// Outside programs that a test needs.

import { spawnSync } from 'node:child_process';

/**
 * True where `program` runs. Otherwise one loud line and false, so that the test can skip; with
 * STELE_REQUIRE_TOOLS=1 (as in CI) an error instead.
 */
export function hasTool(program: string, debianPackage = 'redis-tools'): boolean {
  if (spawnSync(program, ['--version']).status === 0) return true;
  const message = `${program} is not installed`;
  if (process.env['STELE_REQUIRE_TOOLS'] === '1') throw new Error(message);
  console.warn(`SKIPPED: ${message}; install it to run this test (Debian: ${debianPackage}).`);
  return false;
}
