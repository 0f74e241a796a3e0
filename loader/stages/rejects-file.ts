// `--rejects FILE`: every rejected row in the input's order.
//
//     FILE                  the rows byte for byte, each followed by a line end; before them the input's
//                           header line, if there is one. It can be corrected and loaded.
//     FILE.reasons.jsonl    {"file","offset","bytes","line","reason"} for each row of FILE, in order
//
// The rows are read from the input again, a chunk at a time; a chunk whose bytes are not what they
// were when it was parsed ends the load. A load without bad rows leaves both files empty, so no
// rows of an earlier load remain in them.

import { closeSync, existsSync, openSync, realpathSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { crc32 } from 'node:zlib';
import { writeFully } from '../../base/disk/durable-file.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { freeMemory } from '../../base/process/free-memory.ts';
import { shorten } from '../../base/ids.ts';
import { readRange } from '../bytes/file-window.ts';
import type { InputFormat } from '../formats/input-format.ts';
import { inputChanged } from '../input/inputs.ts';
import type { InputFile } from '../input/inputs.ts';
import { placedPieces, readChunk } from '../formats/chunks.ts';
import type { PlacedPiece } from '../formats/chunks.ts';
import { formatNamed } from '../formats/formats.ts';
import { freeRejects, reasonWithPlace } from '../parse/reject-table.ts';
import type { RejectTable } from '../parse/reject-table.ts';
import { inputOf } from './load-job.ts';
import type { LoadJob, ParsedChunk } from './load-job.ts';
import { parseAgain } from './parse-stage.ts';
import { readRejects, rowsUpTo } from './rejects.ts';

/** Rows written at once, and bytes of them (one row may be longer). */
const BATCH_ROWS_MAX = 4096;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

/** The path of the file with the reasons. */
function reasonsPath(path: string): string {
  return `${path}.reasons.jsonl`;
}

/**
 * Checks before hours of parsing that the rejects can be written. `paths` are the load's operands.
 * Throws INVALID_ARGUMENT if the file is an input under whatever name, if the next load of the same
 * folder would read it, or if inputs of several formats would be mixed in it; IO if it cannot be
 * written.
 */
export function checkRejectsFile(
  path: string,
  paths: readonly string[],
  inputs: readonly InputFile[],
): void {
  for (const written of [path, reasonsPath(path)]) {
    if (inputs.some((input) => isSameFile(input.path, written))) {
      const text = `--rejects ${shorten(path, 200)}: ${shorten(written, 200)} is an input; name another file.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
  }
  const folder = paths.find((operand) => isInFolder(path, operand));
  if (folder !== undefined) {
    const text = `--rejects ${shorten(path, 200)}: it lies in the folder '${shorten(folder, 200)}' that is loaded, so the next load would read it; name a file elsewhere.`;
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  const formats = new Set(inputs.map(({ dialect }) => dialect.format));
  if (formats.size > 1) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--rejects holds rows of one format, and the inputs have several (${[...formats].join(', ')}); load them one after the other.`,
    );
  }
  try {
    closeSync(openSync(path, 'a'));
  } catch (thrown) {
    throw cannotWrite(path, thrown);
  }
}

/** Whether both paths lead to one file, by links or not. */
function isSameFile(one: string, other: string): boolean {
  if (one === resolve(other)) return true;
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

function isInFolder(path: string, operand: string): boolean {
  if (statSync(operand, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  const parent = dirname(resolve(path));
  if (!existsSync(parent)) return false;
  const between = relative(realpathSync(operand), realpathSync(parent));
  return between !== '..' && !between.startsWith(`..${sep}`) && !isAbsolute(between);
}

/** Writes both files. Throws INPUT_CHANGED, DISK_FULL, IO. */
export async function writeRejects(
  job: LoadJob,
  chunks: readonly ParsedChunk[],
  path: string,
): Promise<void> {
  const files: FileHandle[] = [];
  try {
    const rows = await open(path, 'w');
    files.push(rows);
    const reasons = await open(reasonsPath(path), 'w');
    files.push(reasons);
    let file = -1;
    let linesBefore = 0;
    let hasHeader = false;
    for (const parsed of chunks) {
      const [first] = parsed.portion.pieces;
      const input = inputOf(job, first);
      if (first.file !== file) linesBefore = input.dataStartLine;
      file = first.file;
      if (parsed.rejectedCount > 0) {
        if (!hasHeader) await writeFully(rows, headerOf(input));
        hasHeader = true;
        await writeChunk(job, parsed, linesBefore, rows, reasons);
      }
      linesBefore += parsed.lineCount;
    }
  } catch (thrown) {
    throw thrown instanceof SteleError ? thrown : cannotWrite(path, thrown);
  } finally {
    for (const file of files) await file.close();
  }
}

function cannotWrite(path: string, thrown: unknown): SteleError {
  const error = toSteleError(thrown, 'IO');
  const text = `The rejects cannot be written to '${shorten(path, 200)}': ${error.message}.`;
  return new SteleError(error.code, text, { cause: thrown });
}

function headerOf({ dataStart, dialect, readPath }: InputFile): Buffer {
  return dialect.hasHeader ? readRange(readPath, 0, dataStart) : Buffer.alloc(0);
}

async function writeChunk(
  job: LoadJob,
  parsed: ParsedChunk,
  linesBefore: number,
  rows: FileHandle,
  reasons: FileHandle,
): Promise<void> {
  const { portion } = parsed;
  const table = await intactRejects(job, parsed);
  let from = 0;
  let crc = 0;
  for (const piece of placedPieces(portion)) {
    const { dataStartLine, dialect, path } = inputOf(job, piece);
    const format = formatNamed(dialect.format);
    const bytes = readChunk(job.prepared.inputs, piece);
    crc = crc32(bytes, crc);
    const isOnly = portion.pieces.length === 1;
    const before = isOnly ? linesBefore : dataStartLine;
    const place = { path, format, piece, linesBefore: before };
    for (const end = rowsUpTo(table, piece); from < end;) {
      const to = batchEnd(table, from, end);
      const raw = format.rawRows(dialect, bytes, piece, table, piece.base, from, to);
      await writeFully(rows, raw);
      await writeFully(reasons, Buffer.from(reasonLines(table, place, from, to), 'utf8'));
      from = to;
    }
    freeMemory([bytes]);
  }
  if (crc !== parsed.chunkCrc) throw inputChanged(inputOf(job, portion.pieces[0]));
  freeRejects(table);
}

/** The rejects of a chunk; if its run was damaged meanwhile, the chunk is parsed again. */
async function intactRejects(job: LoadJob, parsed: ParsedChunk): Promise<RejectTable> {
  try {
    return readRejects(job, parsed);
  } catch (thrown) {
    if (toSteleError(thrown).code !== 'CORRUPT') throw thrown;
  }
  await parseAgain(job, parsed.portion);
  return readRejects(job, parsed);
}

function batchEnd(table: RejectTable, from: number, end: number): number {
  let byteCount = 0;
  let row = from;
  while (row < end && row - from < BATCH_ROWS_MAX && byteCount < BATCH_BYTES_MAX) {
    byteCount += (table.end[row] as number) - (table.start[row] as number);
    row++;
  }
  return row;
}

interface ChunkPlace {
  readonly path: string;
  readonly format: InputFormat;
  readonly piece: PlacedPiece;
  readonly linesBefore: number;
}

function reasonLines(table: RejectTable, place: ChunkPlace, from: number, to: number): string {
  const { format, linesBefore, path, piece } = place;
  // Below 0 for later pieces.
  const chunkStart = piece.start - piece.base;
  let text = '';
  for (let row = from; row < to; row++) {
    const start = (table.start[row] as number) - piece.base;
    const end = (table.end[row] as number) - piece.base;
    const line = {
      file: path,
      ...format.place(piece, start, end, linesBefore + (table.line[row] as number)),
      reason: reasonWithPlace(table, row, chunkStart, format.tellsColumns),
    };
    text += `${JSON.stringify(line)}\n`;
  }
  return text;
}
