// For tests: a real dataset through cutting and parsing, every value compared with what another
// parser says.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cutIntoChunks } from '../../loader/formats/chunks.ts';
import { formatFor } from '../../loader/input/formats.ts';
import type { InputFile } from '../../loader/input/inputs.ts';
import { parseChunk } from '../../loader/formats/parse-chunk.ts';
import { newParseContext } from '../../loader/parse/parse-context.ts';
import { readHead } from '../../loader/detect/opening.ts';
import type { RealInput } from '../support/inputs/real-data.ts';
import { tempDir } from '../support/temp-dir.ts';
import { settledHead } from './settled.ts';

/** An odd number, so that edges lie anywhere; smaller than some values. */
const CHUNK_BYTES = 100_003;

function inputOf({ choice, fileName }: RealInput, path: string, sizeBytes: number): InputFile {
  const { header = 'auto', key, value } = choice;
  const headerChoice = { header: header as 'auto' | 'no', key, value };
  const format = formatFor(fileName, 'auto');
  const head = settledHead(readHead(path, path, format), format, headerChoice);
  return {
    path,
    readPath: path,
    compression: 'none',
    modifiedMs: 0,
    sizeBytes,
    isStream: false,
    ...head,
  };
}

/** Cuts and parses `real`, and compares every value with what another parser says. */
export function expectValues(real: RealInput): void {
  const path = join(tempDir(), real.fileName);
  const bytes = real.bytes();
  writeFileSync(path, bytes);
  const input = inputOf(real, path, bytes.length);
  const expected = real.expected(bytes);
  const context = newParseContext(input.dialect, 16);
  const { rows } = context;
  let count = 0;
  const wrong: string[] = [];
  for (const { end, start } of cutIntoChunks([input], CHUNK_BYTES)) {
    parseChunk(context, Buffer.from(bytes.subarray(start, end)));
    expect(rows.rejects.count).toBe(0);
    const source = Buffer.from(rows.source.buffer, rows.source.byteOffset, rows.source.byteLength);
    for (let row = 0; row < rows.count; row++) {
      const key = source.toString('utf8', rows.keyStart[row], rows.keyEnd[row]);
      const value = source.toString('utf8', rows.valueStart[row], rows.valueEnd[row]);
      if (expected.get(key) !== value) wrong.push(key);
    }
    count += rows.count;
  }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(count).toBe(expected.size);
  expect(count).toBeGreaterThan(1000);
}
