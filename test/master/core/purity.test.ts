import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const PROJECT = join(import.meta.dirname, '..', '..', '..');
/** Anything that would make a decision depend on more than its arguments. */
const IMPURE =
  /from 'node:|clock\.ts'|\bDate\b|Math\.random|\bset(?:Timeout|Interval|Immediate)\b|performance\.|process\.|randomId/;

test.each(['master/core', 'master/catalog', 'ring'])(
  'no file of %s has a clock, a timer, a disk, a network or chance of its own',
  (folder) => {
    const files = readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts'),
    );
    expect(files.length).toBeGreaterThan(3);
    const impure = files.flatMap((name) => {
      const lines = readFileSync(join(PROJECT, folder, name), 'utf8').split('\n');
      return lines
        .filter((line) => !line.includes("from 'node:assert/strict'"))
        .filter((line) => !line.trimStart().startsWith('//') && IMPURE.test(line))
        .map((line) => `${name}: ${line.trim()}`);
    });
    expect(impure).toEqual([]);
  },
);
