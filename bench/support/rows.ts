// Generates files of rows to load.

import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT, run } from './processes.ts';

/** Keys of data/generate.mjs: UUIDs. */
export const KEY_BYTES = 36;
export const VALUE_BYTES = 70;

/** Writes rows of random 36-byte keys and 70-byte values, in the format of the ending of `path`. */
export function generateRows(
  path: string,
  rowCount: number,
  flags: readonly string[] = [],
): string {
  const script = join(PROJECT, 'data', 'generate.mjs');
  const format = path.endsWith('.csv') ? 'csv' : 'line';
  run(process.execPath, [
    ...[script, '--rows', String(rowCount), '--seed', '7', '--format', format],
    ...['--value-bytes', String(VALUE_BYTES), '--out', path, ...flags],
  ]);
  return path;
}

/** The lines of a file of `generateRows`, without its header. */
export function linesOf(path: string): string[] {
  const lines = readFileSync(path, 'latin1').split('\n').filter(Boolean);
  return path.endsWith('.csv') ? lines.slice(1) : lines;
}

/** The key of a line of unquoted rows. */
export function keyOf(line: string): string {
  return line.slice(0, KEY_BYTES);
}

/** The SETs that write such lines into a Redis server. */
export function redisCommands(lines: readonly string[]): string {
  return lines
    .map((line) => {
      const value = line.slice(KEY_BYTES + 1);
      return `*3\r\n$3\r\nSET\r\n$${KEY_BYTES}\r\n${keyOf(line)}\r\n$${value.length}\r\n${value}\r\n`;
    })
    .join('');
}

/**
 * Writes the lines `lineOf(0)`, `lineOf(1)` ..., which include their line ends, a MiB at a time.
 */
export function writeLines(
  path: string,
  lineCount: number,
  lineOf: (index: number) => string,
  header = '',
): string {
  const file = openSync(path, 'w');
  writeSync(file, header);
  for (let index = 0; index < lineCount;) {
    let text = '';
    for (; index < lineCount && text.length < 1 << 20; index++) text += lineOf(index);
    writeSync(file, text, null, 'latin1');
  }
  closeSync(file);
  return path;
}
