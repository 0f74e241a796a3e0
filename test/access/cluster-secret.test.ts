import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ClusterSecret } from '../../access/cluster-secret.ts';
import { pino } from 'pino';
import { tempDir } from '../support/temp-dir.ts';

const OWN = [0o600, 0o400];
/** Of a file of root; tests that are not run by root have files of their own alone. */
const OF_ROOT = process.getuid?.() === 0 ? [0o440, 0o640] : [];

/** What reading a secret with this mode warns of. */
function warningsOf(mode: number): string[] {
  const path = join(tempDir(), 'cluster-secret');
  writeFileSync(path, '0123456789abcdef0123456789abcdef\n');
  chmodSync(path, mode);
  const lines: string[] = [];
  ClusterSecret.read(path, pino({ level: 'warn' }, { write: (line: string) => lines.push(line) }));
  return lines;
}

it.each([...OWN, ...OF_ROOT])('a secret of mode %o is read without a warning', (mode) => {
  expect(warningsOf(mode)).toEqual([]);
});

it.each([0o644, 0o604, 0o660, 0o622])('a secret of mode %o is warned of', (mode) => {
  expect(warningsOf(mode).join()).toContain('others can read the cluster secret');
});
