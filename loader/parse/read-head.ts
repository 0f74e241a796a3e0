// The first bytes of an input: enough of them to know its dialect by.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { RECORD_BYTES_MAX, newRecordEnds, recordTooLong } from './chunks.ts';
import { CARRIAGE_RETURN, COMMA, DEFAULT_RULES, NEWLINE } from '../input/dialect.ts';
import type { ReadingRules } from '../input/dialect.ts';
import { FileWindow, readFully } from '../bytes/file-window.ts';
import type { LoadFormat } from '../input/formats.ts';

/** Of each input's start; more where its first row is longer. */
export const HEAD_BYTES = 1024 * 1024;
const WINDOW_BYTES = 256 * 1024;

/** What the flags say of a file's beginning; a delimiter that is still to be found counts as a comma. */
export type HeadRules = ReadingRules & { readonly delimiter?: number };

/**
 * The first HEAD_BYTES of a file and, of csv and tsv, at least its first row; all of it if that is
 * less. `path` is what the file is called in errors. Throws INPUT_INVALID where the first row is longer
 * than any may be.
 */
export function readHead(
  readPath: string,
  path: string,
  format: LoadFormat,
  rules: HeadRules = DEFAULT_RULES,
): Buffer {
  const file = openSync(readPath, 'r');
  try {
    const { size } = fstatSync(file);
    const firstEnd =
      format === 'csv' || format === 'tsv' ? firstRowEnd(file, size, format, rules) : 0;
    if (firstEnd < 0) throw recordTooLong(path, 0, format);
    const bytes = Buffer.allocUnsafe(Math.max(HEAD_BYTES, firstEnd));
    return bytes.subarray(0, readFully(file, bytes, bytes.length, 0));
  } finally {
    closeSync(file);
  }
}

/** Behind the first row that is not blank; -1 if it does not end where it should. */
function firstRowEnd(
  file: number,
  size: number,
  format: 'csv' | 'tsv',
  { delimiter = COMMA, ...rules }: HeadRules,
): number {
  const source = new FileWindow(file, size, WINDOW_BYTES);
  const records = newRecordEnds(source, { ...rules, format, delimiter });
  // After a byte order mark: a quote opens a field only at a row's very start.
  let start = source.byteAt(0) === 0xef ? Math.min(3, size) : 0;
  for (let line = 0; line < rules.skipLines; line++) {
    const newline = source.find(NEWLINE, start, size);
    if (newline < 0) return size;
    start = newline + 1;
  }
  for (;;) {
    const end = records.endBehind(start, start + 1, Math.min(size, start + RECORD_BYTES_MAX));
    if (end < 0 || end === size || !isBlank(source, start, end)) return end;
    start = end;
  }
}

function isBlank(source: FileWindow, start: number, end: number): boolean {
  return end - start === 1 || (end - start === 2 && source.byteAt(start) === CARRIAGE_RETURN);
}
