import { ftruncateSync, openSync, closeSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LoadFormat } from '../../../loader/input/formats.ts';
import { INPUT_HEAD_BYTES, readHead } from '../../../loader/detect/opening.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { settledHead } from '../settled.ts';

function headOf(content: string, format: LoadFormat): Buffer {
  const path = join(tempDir(), 'in');
  writeFileSync(path, content);
  return readHead(path, path, format);
}

describe('the head of an input', () => {
  it('is the file, or its first MiB', () => {
    expect(headOf('', 'csv')).toHaveLength(0);
    expect(headOf('a,b\n', 'csv').toString()).toBe('a,b\n');
    expect(headOf('a,b\n'.repeat(INPUT_HEAD_BYTES), 'csv')).toHaveLength(INPUT_HEAD_BYTES);
    expect(headOf('a'.repeat(2 * INPUT_HEAD_BYTES), 'jsonl')).toHaveLength(INPUT_HEAD_BYTES);
  });

  it.for([
    ['csv', '', `"k","${'long "" text '.repeat(100_000)}"\n`],
    ['csv', '\ufeff', `"k","${'long "" text '.repeat(100_000)}",""\r\n`],
    ['csv', '\n\r\n\n', `k,${'x'.repeat(INPUT_HEAD_BYTES)}\n`],
    ['tsv', '', `k\t"${'x'.repeat(INPUT_HEAD_BYTES)}\n`],
  ] as const)(
    'reaches to the end of the first row of a %s, however long',
    ([format, before, row]) => {
      const head = headOf(`${before}${row}next,row\n`, format);
      expect(head.toString()).toBe(before + row);
      const { dataStart, dialect } = settledHead(head, format, { header: 'no' });
      expect(dialect.hasHeader).toBe(false);
      expect(dialect.columns).toHaveLength(row.endsWith('\r\n') ? 3 : 2);
      expect(dataStart).toBe(before === '\ufeff' ? 3 : 0);
    },
  );

  it('is refused where the first row does not end', () => {
    const path = join(tempDir(), 'in');
    const file = openSync(path, 'w');
    ftruncateSync(file, 2 ** 28);
    closeSync(file);
    expect(() => readHead(path, 'named.csv', 'csv')).toThrow(
      "'named.csv' has a row of more than 129 MiB at byte 0,",
    );
  });
});
