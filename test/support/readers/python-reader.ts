// redis-py as a cluster client, reading one key after the other in its own process
// (topology-reader.py).

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { PROJECT, until } from '../process/stele-process.ts';
import { guard, unguard } from '../process/watchdog.ts';

export interface PythonReader {
  /**
   * Ends it; returns when the last failed or slow read ended, in ms after `sinceMs`; 0: there was
   * none.
   */
  lastTrouble(sinceMs: number): Promise<number>;
}

/** Resolves when it has read all of `expected` once. To be called inside a test. */
export async function startPythonReader(
  python: string,
  folder: string,
  expected: ReadonlyMap<string, string>,
  ports: readonly number[],
): Promise<PythonReader> {
  const file = join(folder, 'expected.json');
  writeFileSync(file, JSON.stringify(Object.fromEntries(expected)));
  const script = join(PROJECT, 'test', 'support', 'readers', 'topology-reader.py');
  const child = spawn(python, [script, file, ...ports.map(String)], { stdio: 'pipe' });
  const { pid = -1 } = child;
  guard(pid);
  let [output, hasEnded] = ['', false];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  child.once('close', () => {
    unguard(pid);
    hasEnded = true;
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await until('redis-py to read', () => hasEnded || output.startsWith('reading\n'));
  // Both clocks are the system's monotonic clock.
  const aheadMs = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();
  return {
    lastTrouble: async (sinceMs) => {
      child.stdin.end();
      await until('redis-py to end', () => hasEnded);
      expect(output).toMatch(/^read [1-9]\d*$/m);
      const troubles = [...output.matchAll(/^(\d+) (\d+) (.*)$/gm)];
      for (const [, , tookMs, problem] of troubles) {
        console.log(`  redis-py: a read took ${tookMs} ms ${problem}`);
      }
      const lastMs = troubles.at(-1)?.[1];
      return lastMs === undefined ? 0 : Number(lastMs) - aheadMs - sinceMs;
    },
  };
}
