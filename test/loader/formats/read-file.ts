// Reads a file as a load reads it, without a load: opened, cut, parsed.

import { statSync } from 'node:fs';
import { DEFAULT_RULES } from '../../../loader/input/dialect.ts';
import { RowsBelow } from '../../../loader/detect/opening.ts';
import type { DialectFlags } from '../../../loader/detect/opening.ts';
import { settleDialects } from '../../../loader/detect/settle-dialects.ts';
import type { LoadFormat } from '../../../loader/format-names.ts';
import { cutIntoChunks, readChunk } from '../../../loader/formats/chunks.ts';
import type { Chunk } from '../../../loader/formats/chunks.ts';
import { formatNamed, loadFormat } from '../../../loader/formats/formats.ts';
import { openInput } from '../../../loader/formats/open.ts';
import { parseChunk } from '../../../loader/formats/parse-chunk.ts';
import type { InputFile } from '../../../loader/input/inputs.ts';
import { newParseContext } from '../../../loader/parse/parse-context.ts';
import { reasonOf } from '../../../loader/parse/reject-table.ts';

export interface ReadFile {
  readonly rows: [key: Buffer, value: Buffer][];
  /** Place, reason and row of each. */
  readonly rejects: string[];
  readonly chunks: Chunk[];
  readonly input: InputFile;
}

const FLAGS: DialectFlags = {
  key: undefined,
  value: undefined,
  header: 'auto',
  delimiter: undefined,
  rules: DEFAULT_RULES,
};

/** Throws what a load throws. */
async function openFile(
  path: string,
  format: LoadFormat,
  flags: Partial<DialectFlags> = {},
): Promise<InputFile> {
  await loadFormat(format);
  const below = new RowsBelow();
  const sizeBytes = statSync(path).size;
  const all = { ...FLAGS, ...flags };
  const opening = openInput({ path, readPath: path, sizeBytes }, format, all, {
    name: `'${path}'`,
    isByEnding: true,
    isTxt: false,
    wasUtf16: false,
    delimiter: undefined,
    fileCount: 1,
    below,
  });
  const [head] = settleDialects([opening], all, below);
  return {
    ...head!,
    path,
    readPath: path,
    isStream: false,
    compression: 'none',
    modifiedMs: 0,
    sizeBytes: opening.part?.byteCount ?? sizeBytes,
  };
}

export async function readFile(
  path: string,
  format: LoadFormat,
  flags: Partial<DialectFlags> = {},
  chunkBytes = 1 << 30,
): Promise<ReadFile> {
  const input = await openFile(path, format, flags);
  const read: ReadFile = { rows: [], rejects: [], chunks: [], input };
  const context = newParseContext(input.dialect, 1);
  const inputFormat = formatNamed(input.dialect.format);
  for (const chunk of cutIntoChunks([input], chunkBytes)) {
    read.chunks.push(chunk);
    parseChunk(context, readChunk([input], chunk), chunk);
    const { rejects, ...rows } = context.rows;
    const source = Buffer.from(rows.source);
    for (let row = 0; row < rows.count; row++) {
      const key = source.subarray(rows.keyStart[row], rows.keyEnd[row]);
      read.rows.push([key, source.subarray(rows.valueStart[row], rows.valueEnd[row])]);
    }
    for (let row = 0; row < rejects.count; row++) {
      const place = inputFormat.placeText(chunk, rejects.start[row]!);
      const shown = inputFormat.showRow(path, input.dialect, chunk, rejects, 0, row);
      read.rejects.push(`${place}: ${reasonOf(rejects, row)} (${shown})`);
    }
  }
  return read;
}

/** The rows as text, by key. */
export function textRows({ rows }: ReadFile): Map<string, string> {
  return new Map(rows.map(([key, value]) => [key.toString(), value.toString()]));
}
