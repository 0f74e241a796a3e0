import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { CsvRecords, bytesSource } from '../../../../loader/parse/delimited/csv-records.ts';
import type { RecordRules } from '../../../../loader/parse/delimited/csv-records.ts';
import { COMMA } from '../../../../loader/input/dialect.ts';
import { FileWindow } from '../../../../loader/bytes/file-window.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { runs } from '../../rows.ts';

const LINES_MAX = 2;
const CSV: RecordRules = {
  delimiter: COMMA,
  comment: '',
  trims: false,
  linesPerValueMax: LINES_MAX,
};

/** Record ends by a state machine over single characters: slow, and nothing like the real one. */
function endsByHand(text: string): number[] {
  const ends: number[] = [];
  for (let at = 0; at < text.length;) {
    at = recordByHand(text, at);
    ends.push(at);
  }
  return ends;
}

function recordByHand(text: string, start: number): number {
  for (let at = start; ;) {
    const lineEnd = text.includes('\n', at) ? text.indexOf('\n', at) + 1 : text.length;
    const rest = text.slice(at);
    const quoted = /^"(?:[^"]|"")*"(?!")/.exec(rest);
    const field = rest.startsWith('"') ? quoted?.[0] : /^[^",\n]*/.exec(rest)?.[0];
    if (field === undefined || field.split('\n').length > LINES_MAX + 1) return lineEnd;
    at += field.length;
    const next = /^(,|\r?\n|$)/.exec(text.slice(at));
    if (next === null) return lineEnd;
    at += next[0].length;
    if (next[0] !== ',') return at;
  }
}

const unit = fc.constantFrom(
  ...['a', ',', '"', '""', '"""', '\n', '\r\n', ',"', '",', '"\n', '\n"', 'some more text'],
);
const text = fc.array(unit, { maxLength: 30 }).map((units) => units.join(''));

it('records end where a state machine says, in memory and in a file, whatever the window', () => {
  const path = join(tempDir(), 'in.csv');
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (input, windowBytes) => {
      const expected = endsByHand(input);
      const inMemory = new CsvRecords(bytesSource(Buffer.from(input)), CSV);
      const asked = expected.map((_, index) => inMemory.endOf(expected[index - 1] ?? 0));
      expect(asked).toEqual(expected);
      writeFileSync(path, input);
      const file = openSync(path, 'r');
      try {
        const inFile = new CsvRecords(new FileWindow(file, input.length, windowBytes), CSV);
        expect(expected.map((_, index) => inFile.endOf(expected[index - 1] ?? 0))).toEqual(
          expected,
        );
      } finally {
        closeSync(file);
      }
    }),
    runs(500),
  );
});

it('from any record start, the end behind any byte is the next record end', () => {
  const path = join(tempDir(), 'in.csv');
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (input, windowBytes) => {
      const ends = endsByHand(input);
      writeFileSync(path, input);
      const file = openSync(path, 'r');
      try {
        for (let nominal = 1; nominal <= input.length; nominal++) {
          const expected = ends.find((end) => end >= nominal) ?? input.length;
          for (const source of [
            bytesSource(Buffer.from(input)),
            new FileWindow(file, input.length, windowBytes),
          ]) {
            const records = new CsvRecords(source, CSV);
            expect(records.endBehind(0, nominal, input.length)).toBe(expected);
          }
        }
      } finally {
        closeSync(file);
      }
    }),
    runs(300),
  );
});

it('answers for an earlier record as well, after a later one', () => {
  const records = new CsvRecords(bytesSource(Buffer.from('a,"b\n"\nc,d\n"e",f\n')), CSV);
  const ends = [0, 7, 11, 7, 0, 11].map((start) => records.endOf(start));
  expect(ends).toEqual([7, 11, 17, 11, 7, 17]);
});

it('gives up at the limit, however long the line is', () => {
  const bytes = Buffer.from(`a,"b\n"\n${'x'.repeat(1000)}`);
  const records = (): CsvRecords => new CsvRecords(bytesSource(bytes), CSV);
  expect(records().endBehind(0, 1, 500)).toBe(7);
  expect(records().endBehind(7, 8, 500)).toBe(-1);
  expect(records().endBehind(7, 8, bytes.length)).toBe(bytes.length);
  const quoted = Buffer.from(`"${'x'.repeat(1000)}"\n`);
  expect(new CsvRecords(bytesSource(quoted), CSV).endBehind(0, 1, 500)).toBe(-1);
});

it('searches every byte once, though one line has all the quotes', () => {
  const bytes = Buffer.from(`${'"a","b",'.repeat(50_000)}c`);
  const source = bytesSource(bytes);
  let searched = 0;
  const counting = {
    ...source,
    find: (byte: number, from: number, limit: number): number => {
      const found = source.find(byte, from, limit);
      searched += (found < 0 ? Math.min(limit, source.end) : found) - from;
      return found;
    },
  };
  expect(new CsvRecords(counting, CSV).endOf(0)).toBe(bytes.length);
  expect(searched).toBeLessThan(4 * bytes.length);
});

it('a file that becomes shorter meanwhile is told', () => {
  const path = join(tempDir(), 'in.csv');
  writeFileSync(path, 'a,b\n');
  const file = openSync(path, 'r');
  onTestFinished(() => closeSync(file));
  const records = new CsvRecords(new FileWindow(file, 100, 64), CSV);
  expect(() => records.endOf(0)).toThrow('became shorter');
});
