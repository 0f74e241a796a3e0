// Rejected rows: where they are kept (at the end of each run), the file that lists them all, and the
// error that names the first few.

import { closeSync, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { SteleError, toSteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { readFully } from './file-window.ts';
import type { LoadState, ParsedChunk } from './load-state.ts';
import { openRun, sectionOffset } from './run-file.ts';
import type { Reject } from './row-table.ts';

const NAMED_MAX = 3;

/** The kept rejects of one chunk, in order; none if its run is damaged. */
function readRejects(state: LoadState, parsed: ParsedChunk): Reject[] {
  const binding = Buffer.from(state.binding, 'hex');
  const { file, header } = openRun(state.folder.runs, binding, parsed.chunkIndex, state.shardCount);
  try {
    const bytes = Buffer.alloc(header.rejectsBytes);
    const got = readFully(file, bytes, bytes.length, sectionOffset(header, state.shardCount));
    if (got !== bytes.length || crc32(bytes) !== header.rejectsCrc) return [];
    return JSON.parse(bytes.toString('utf8')) as Reject[];
  } finally {
    closeSync(file);
  }
}

function pathOf(state: LoadState, parsed: ParsedChunk): string {
  return state.prepared.inputs[parsed.chunk.file]?.path ?? '';
}

/** TOO_MANY_REJECTS, with the first bad rows among the chunks that are done. */
export function tooManyRejects(
  state: LoadState,
  done: readonly (ParsedChunk | undefined)[],
  rejectedCount: number,
): SteleError {
  const { maxRejects } = state.settings;
  const named: string[] = [];
  for (const parsed of done) {
    if (parsed === undefined || parsed.rejectedCount === 0) continue;
    for (const reject of readRejects(state, parsed)) {
      if (named.length === NAMED_MAX) break;
      const place = `${shorten(pathOf(state, parsed), 120)} at byte ${reject.offset}`;
      named.push(`${place}: ${reject.reason} ('${shorten(reject.raw, 40)}')`);
    }
  }
  const many = rejectedCount === 1 ? '1 row was' : `${rejectedCount} or more rows were`;
  return new SteleError(
    'TOO_MANY_REJECTS',
    `${many} rejected, ${maxRejects} allowed, so nothing was loaded. ${named.join('; ')}. Mend the input, or allow more with --max-rejects (and list them with --rejects FILE).`,
  );
}

/**
 * Writes every kept bad row to `path`, in the input's order: a JSON object a line with file, offset,
 * line (1-based), reason and raw.
 */
export async function writeRejects(
  state: LoadState,
  chunks: readonly ParsedChunk[],
  path: string,
): Promise<void> {
  function* lines(): Generator<string> {
    let file = -1;
    let linesBefore = 0;
    for (const parsed of chunks) {
      if (parsed.chunk.file !== file) {
        file = parsed.chunk.file;
        linesBefore = state.prepared.inputs[file]?.dataStartLine ?? 0;
      }
      if (parsed.rejectedCount > 0) {
        for (const { line, offset, raw, reason } of readRejects(state, parsed)) {
          const at = { file: pathOf(state, parsed), offset, line: linesBefore + line };
          yield `${JSON.stringify({ ...at, reason, raw })}\n`;
        }
      }
      linesBefore += parsed.lineCount;
    }
  }
  try {
    await pipeline(lines(), createWriteStream(path));
  } catch (thrown) {
    const error = toSteleError(thrown, 'IO');
    throw new SteleError(error.code, `The rejects cannot be written to '${shorten(path, 200)}'.`, {
      cause: thrown,
    });
  }
}
