// Whole loads of one content in every format: what is stored does not depend on how it was written.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { setUp, write } from './load-setup.ts';

/** Values that every format can hold: no line ends, no tabs. */
const VALUES = [
  'plain',
  '',
  'with "quotes"',
  'a, b,, c',
  ' spaces ',
  '\\back\\slash',
  'é😀\u0000',
  '""',
];

function pairs(count: number): [string, string][] {
  return Array.from({ length: count }, (_, row) => {
    const key = createHash('md5').update(String(row)).digest('base64');
    return [key, `${VALUES[row % VALUES.length]}${'x'.repeat(row % 97)}`];
  });
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');
/** JSON with every character but letters and digits escaped. */
const escaped = (text: string): string =>
  `"${text.replace(/[^a-z0-9]/gi, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;

const WRITERS: Record<string, (key: string, value: string) => string> = {
  'a.data': (key, value) => `${key} ${value}\n`,
  'a.tsv': (key, value) => `${key}\t${value}\r\n`,
  'a.csv': (key, value) => `${quoted(key)},${quoted(value)}\n`,
  'crlf.csv': (key, value) => `${key},${quoted(value)}\r\n`,
  'a.jsonl': (key, value) => `${JSON.stringify({ key, value })}\n`,
  'b.jsonl': (key, value) =>
    `{"more" : [1], "value":${escaped(value)} ,"key": ${escaped(key)}}\r\n`,
  'c.jsonl': (key, value) => `{"key_base64":"${base64(key)}","value_base64":"${base64(value)}"}\n`,
  'd.jsonl': (key, value) => `{"key":${JSON.stringify(key)},"other":${JSON.stringify(value)}}\n`,
};

describe('the same pairs', () => {
  const rows = pairs(3000);

  it('have the same digest in every format, cut anywhere', async () => {
    const { folder, load } = await setUp();
    const digests = new Map<string, string>();
    for (const [name, line] of Object.entries(WRITERS)) {
      const text = rows.map(([key, value]) => line(key, value)).join('');
      const file = write(folder, name, `\ufeff${text}`);
      const whole = await load([file], { header: 'no' });
      expect([name, whole.loaded, whole.rejected]).toEqual([name, 3000, 0]);
      const flags = { header: 'no', chunkSize: '64KiB', skipIfCurrent: false };
      const cut = await load([write(folder, `cut-${name}`, text.trimEnd())], flags);
      digests.set(name, whole.digest);
      expect([name, cut.digest]).toEqual([name, whole.digest]);
    }
    expect(new Set(digests.values()).size).toBe(1);
  });

  it('of several columns have the same digest as csv, tsv and jsonl', async () => {
    const { folder, load } = await setUp();
    const wide = rows.filter(([, value]) => !value.includes('\0'));
    const digests: string[] = [];
    for (const [name, line] of Object.entries<(key: string, value: string) => string>({
      'w.csv': (key, value) => `${key},"1",${quoted(value)}`,
      'w.tsv': (key, value) => `${key}\t1\t${value}`,
      'w.jsonl': (key, value) => JSON.stringify({ key, b: '1', c: value }),
    })) {
      const header = name.endsWith('jsonl') ? '' : line('key', 'c').replaceAll('1', 'b');
      const lines = wide.map(([key, value]) => line(key, value));
      const file = write(folder, name, `${header}\n${lines.join('\n')}`);
      digests.push((await load([file])).digest);
    }
    expect(new Set(digests)).toEqual(new Set([digests[0]]));
  });
});
