// Input files for end-to-end tests, and the expected value of every key.

import { execFileSync } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { flags, PROJECT } from '../process/stele-process.ts';

/** Key -> value bytes of a `line` file: up to the first space, then the rest of the line. */
export function readLineFile(path: string): Map<string, Buffer> {
  const bytes = readFileSync(path);
  const rows = new Map<string, Buffer>();
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const space = bytes.indexOf(32, start);
    rows.set(bytes.toString('utf8', start, space), bytes.subarray(space + 1, end));
    start = end + 1;
  }
  return rows;
}

/** Runs data/generate.mjs. */
export function generateSample(path: string, rows: number, seed: number): void {
  const script = join(PROJECT, 'data', 'generate.mjs');
  execFileSync(process.execPath, [script, ...flags({ rows, seed, out: path })]);
}

/**
 * Numbered keys whose values contain their key and version, so that every read can be checked by
 * itself.
 */
export class VersionedRows {
  readonly count: number;

  constructor(count: number) {
    this.count = count;
  }

  key(index: number): string {
    return `key-${index}`;
  }

  value(key: string, version: number): string {
    return `${key}|v${version}|${'x'.repeat(20)}`;
  }

  /** The version in `value`; 0 if it is not a value of `key`. */
  versionOf(key: string, value: Buffer | string | null | undefined): number {
    const match = /^(.*)\|v(\d+)\|x{20}$/.exec(String(value));
    return match?.[1] === key ? Number(match[2]) : 0;
  }

  async write(path: string, version: number): Promise<void> {
    const file = createWriteStream(path);
    let text = '';
    for (let index = 0; index < this.count; index++) {
      const key = this.key(index);
      text += `${key} ${this.value(key, version)}\n`;
      if (text.length < 1 << 20 && index < this.count - 1) continue;
      if (!file.write(text)) await once(file, 'drain');
      text = '';
    }
    file.end();
    await once(file, 'close');
  }
}

/** Random numbers in [0, 1), determined by the seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
