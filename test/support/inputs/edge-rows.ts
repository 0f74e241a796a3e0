// Keys and values of every kind, and the largest value.

import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { VALUE_BYTES_MAX } from '../../../base/limits.ts';

export const EDGES: ReadonlyMap<string, Buffer> = new Map([
  ['nothing', Buffer.alloc(0)],
  ['every byte', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
  ['lines\r\nand\ttabs\n', Buffer.from('a\r\nb')],
  ['{tag}of a key', Buffer.from('1')],
  ['another of {tag}', Buffer.from('2')],
  ['{}no tag', Buffer.from('3')],
  ['brace { alone', Buffer.from('4')],
  ['schlüssel ☃', Buffer.from('5')],
  ['\0', Buffer.from('6')],
  ['k'.repeat(65_536), Buffer.from('7')],
  // The largest value is in a map of its own, as it takes seconds in each protocol.
  ['large', Buffer.alloc(1024 * 1024, 'large value ')],
]);

export const LARGEST: ReadonlyMap<string, Buffer> = new Map([
  ['largest', Buffer.alloc(VALUE_BYTES_MAX, 'large value ')],
]);

/** Writes `rows` as JSON lines, in base64. */
export async function writeEdges(path: string, rows = EDGES): Promise<void> {
  const file = createWriteStream(path);
  for (const [key, value] of rows) {
    const key64 = Buffer.from(key).toString('base64');
    file.write(`{"key_base64":"${key64}","value_base64":"${value.toString('base64')}"}\n`);
  }
  file.end();
  await finished(file);
}
