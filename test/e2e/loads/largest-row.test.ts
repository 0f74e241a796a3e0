// A quoted value of the largest size, cut into chunks and parsed; a larger one is rejected.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { delimitedDialect } from '../../../loader/input/dialect.ts';
import type { InputFile } from '../../../loader/input/inputs.ts';
import { cutIntoChunks } from '../../../loader/formats/chunks.ts';
import { parseChunk } from '../../../loader/formats/parse-chunk.ts';
import { newParseContext } from '../../../loader/parse/parse-context.ts';
import { reasonOf } from '../../../loader/parse/reject-table.ts';
import { tempDir } from '../../support/temp-dir.ts';

const CSV = delimitedDialect('csv', ['k', 'v'], false, true, { key: undefined, value: undefined });

function inputOf(bytes: Buffer): InputFile {
  const path = join(tempDir(), 'in.csv');
  writeFileSync(path, bytes);
  return {
    ...{ path, readPath: path, compression: 'none', isStream: false, modifiedMs: 0 },
    ...{ dialect: CSV, sizeBytes: bytes.length, dataStart: 0, dataStartLine: 0 },
  };
}

describe('a value', () => {
  const MiB = 1024 * 1024;
  const long = (byteCount: number): Buffer => Buffer.alloc(byteCount, 'long "" text ');
  function parsedLong(quoted: Buffer) {
    const bytes = Buffer.concat([Buffer.from('a,1\nb,"'), quoted, Buffer.from('"\nc,3\n')]);
    const input = inputOf(bytes);
    const context = newParseContext(CSV, 16);
    const lengths: number[] = [];
    const reasons: unknown[] = [];
    for (const { end, start } of cutIntoChunks([input], MiB)) {
      parseChunk(context, Buffer.from(bytes.subarray(start, end)));
      const { count, rejects, valueEnd, valueStart } = context.rows;
      for (let row = 0; row < count; row++) lengths.push(valueEnd[row]! - valueStart[row]!);
      for (let row = 0; row < rejects.count; row++) {
        reasons.push([start + rejects.start[row]!, reasonOf(rejects, row)]);
      }
    }
    return { lengths, reasons };
  }

  it('in quotes may have 64 MiB, line ends and escapes and all', () => {
    // Of 13 bytes each, two are one quote.
    const quoted = long(13 * 5_592_405);
    expect(parsedLong(quoted)).toEqual({ lengths: [1, 12 * 5_592_405, 1], reasons: [] });
    expect(12 * 5_592_405).toBeGreaterThan(64 * MiB - 16);
  });

  it('of more is rejected with its offset, and costs nothing else', () => {
    const reasons = [[4, 'value longer than 67108864 bytes']];
    expect(parsedLong(long(13 * 5_900_000))).toEqual({ lengths: [1, 1], reasons });
  });
});
