// Keys and values at the limits of their sizes.

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
  ['large', Buffer.alloc(VALUE_BYTES_MAX, 'large value ')],
]);

/** All of them as JSON lines, in base64. */
export async function writeEdges(path: string): Promise<void> {
  const file = createWriteStream(path);
  for (const [key, value] of EDGES) {
    const key64 = Buffer.from(key).toString('base64');
    file.write(`{"key_base64":"${key64}","value_base64":"${value.toString('base64')}"}\n`);
  }
  file.end();
  await finished(file);
}
