// Stage 1 for one portion: read its bytes, parse them, write the run. Runs in a worker thread, or
// in the main one for a small input; synchronous, without state except reusable scratch memory.

import { closeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SteleError } from '../../base/errors.ts';
import { freeMemory } from '../../base/process/free-memory.ts';
import {
  BudgetExceeded,
  reserveGrowth,
  newMemoryBudget,
  freeOutgrown,
} from '../bytes/memory-budget.ts';
import type { MemoryBudget } from '../bytes/memory-budget.ts';
import { newGrowableBuffer } from '../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../bytes/growable-buffer.ts';
import type { Dialect } from '../input/dialect.ts';
import { PARSE_MARGIN, bytesOfParsed } from '../plan/chunk-plan.ts';
import { formatNamed } from '../formats/formats.ts';
import { pieceBytes, pieceExtent } from '../formats/input-format.ts';
import type { Piece } from '../formats/input-format.ts';
import { parseChunk } from '../formats/parse-chunk.ts';
import { readPieceInto } from '../formats/read-piece.ts';
import { newParseContext } from '../parse/parse-context.ts';
import type { ParseContext } from '../parse/parse-context.ts';
import {
  buildGatheredRun,
  buildRun,
  clearGathered,
  gatherRows,
  newGatheredRows,
} from '../runs/run-builder.ts';
import type { BuiltRun, GatheredRows } from '../runs/run-builder.ts';
import { openRun, runPath, writeRunFile } from '../runs/run-file.ts';
import { totalsOfRun } from '../runs/run-totals.ts';
import type { RunTotals } from '../runs/run-totals.ts';
import type { RunHeader } from '../runs/run-file.ts';
import { freeRejects } from '../parse/reject-table.ts';
import { freeRowTable } from '../parse/row-table.ts';

/** A piece of a file. */
interface TaskPiece extends Piece {
  readonly readPath: string;
}

/** Serialisable. */
export interface ParseTask {
  readonly index: number;
  /** At least one; each begins and ends at record ends. */
  readonly pieces: readonly TaskPiece[];
  readonly dialect: Dialect;
  readonly shardCount: number;
  readonly runFolder: string;
  /** 16 bytes, hex. */
  readonly binding: string;
  /** Whether the checkpoint lists a run. It is reused if the pieces' bytes are unchanged. */
  readonly mayResume: boolean;
  /** Memory budget of the task in bytes. Default: unlimited. */
  readonly bytesMax?: number;
  /** The part of it that the thread may keep for the next task. */
  readonly bytesKept?: number;
  /** Whether `totals` of the run are wanted. */
  readonly isStored?: boolean;
  /** Only reads the pieces: of the outcome, `chunkCrc` alone counts. */
  readonly readsOnly?: boolean;
}

export interface ParseOutcome {
  readonly chunkIndex: number;
  readonly chunkCrc: number;
  readonly isResumed: boolean;
  readonly rowCount: number;
  readonly rejectedCount: number;
  readonly lineCount: number;
  readonly spanningCount: number;
  /** Per shard. */
  readonly sectionBytes: Uint32Array;
  readonly sectionRows: Uint32Array;
  /** If they were asked for. */
  readonly totals?: RunTotals;
}

/** Scratch of one thread, kept from task to task. */
export interface ParseScratch {
  context: ParseContext | undefined;
  contextKey: string;
  chunk: Buffer;
  output: GrowableBuffer;
  /** For portions of several pieces; created for the first of them. */
  gathered: GatheredRows | undefined;
  budget: MemoryBudget;
}

export function newParseScratch(): ParseScratch {
  const budget = newMemoryBudget();
  const output = newGrowableBuffer(budget);
  const chunk = Buffer.alloc(0);
  return { context: undefined, contextKey: '', chunk, output, gathered: undefined, budget };
}

/**
 * `loadFormat` must have been called for the dialect. Throws INPUT_CHANGED, DISK_FULL, IO,
 * BudgetExceeded.
 */
export function runParseTask(task: ParseTask, scratch: ParseScratch): ParseOutcome {
  const context = contextFor(scratch, task.dialect, task.shardCount);
  const { bytesKept = Number.MAX_SAFE_INTEGER, bytesMax = Number.MAX_SAFE_INTEGER } = task;
  Object.assign(scratch.budget, { bytesMax, freesAtOnce: bytesMax > bytesKept });
  try {
    return parseInto(task, scratch, context);
  } catch (thrown) {
    throw thrown instanceof BudgetExceeded ? withEstimate(thrown, task, scratch, context) : thrown;
  } finally {
    if (scratch.budget.bytes > bytesKept) releaseParseScratch(scratch);
  }
}

/** Resets the scratch and frees its memory at once. */
export function releaseParseScratch(scratch: ParseScratch): void {
  const { chunk, context, gathered, output } = scratch;
  freeMemory([chunk, output.bytes]);
  if (gathered !== undefined) {
    freeMemory([gathered.bytes.bytes]);
    freeRejects(gathered.rejects);
  }
  if (context !== undefined) {
    freeMemory([context.assembled.bytes]);
    freeRowTable(context.rows);
  }
  Object.assign(scratch, newParseScratch());
}

function parseInto(task: ParseTask, scratch: ParseScratch, context: ParseContext): ParseOutcome {
  const binding = Buffer.from(task.binding, 'hex');
  if (task.readsOnly === true) return readOnly(task, scratch);
  const resumed = task.mayResume ? resumableRun(task, scratch, binding) : undefined;
  if (resumed !== undefined) return outcomeOf(resumed, true);
  const isOne = task.pieces.length === 1;
  const run = (isOne ? parsePiece : parsePieces)(task, scratch, context, binding);
  writeRunFile(runPath(task.runFolder, task.index), run.parts);
  const totals = task.isStored === true ? { totals: totalsOfRun(run) } : {};
  freeOutgrown(scratch.budget, [run.rejects]);
  return { ...outcomeOf(run.header, false), ...totals };
}

function readOnly(task: ParseTask, scratch: ParseScratch): ParseOutcome {
  const nothing = { rowCount: 0, rejectedCount: 0, lineCount: 0, spanningCount: 0 };
  const sections = { sectionBytes: new Uint32Array(0), sectionRows: new Uint32Array(0) };
  const chunkCrc = crcOfPieces(task, scratch);
  return { chunkIndex: task.index, chunkCrc, isResumed: true, ...nothing, ...sections };
}

function crcOfPieces({ pieces }: ParseTask, scratch: ParseScratch): number {
  return pieces.reduce((sum, piece) => crc32(readPiece(piece, scratch), sum), 0);
}

function parsePiece(
  { index, pieces }: ParseTask,
  scratch: ParseScratch,
  context: ParseContext,
  binding: Buffer,
): BuiltRun {
  const piece = pieces[0] as TaskPiece;
  const bytes = readPiece(piece, scratch);
  const chunkCrc = crc32(bytes);
  parseChunk(context, bytes, piece);
  return buildRun(context.rows, scratch.output, binding, index, chunkCrc);
}

/** Parses each piece by itself, because a row never spans two files. */
function parsePieces(
  { index, pieces, shardCount }: ParseTask,
  scratch: ParseScratch,
  context: ParseContext,
  binding: Buffer,
): BuiltRun {
  scratch.gathered ??= newGatheredRows(shardCount, scratch.budget);
  const { gathered } = scratch;
  clearGathered(gathered);
  let crc = 0;
  for (const piece of pieces) {
    const bytes = readPiece(piece, scratch);
    crc = crc32(bytes, crc);
    parseChunk(context, bytes, piece);
    gatherRows(gathered, context.rows, pieceExtent(piece));
  }
  return buildGatheredRun(gathered, scratch.output, binding, index, crc);
}

function readPiece(piece: TaskPiece, scratch: ParseScratch): Buffer {
  const byteCount = pieceBytes(piece);
  if (scratch.chunk.length < byteCount) {
    reserveGrowth(scratch.budget, byteCount, scratch.chunk.length);
    freeOutgrown(scratch.budget, [scratch.chunk]);
    scratch.chunk = Buffer.allocUnsafeSlow(byteCount);
  }
  const bytes = scratch.chunk.subarray(0, byteCount);
  if (readPieceInto(piece.readPath, piece, bytes)) return bytes;
  throw new SteleError(
    'INPUT_CHANGED',
    `'${piece.readPath}' became shorter during the load; load it again when it is complete.`,
  );
}

/** The header of the existing run, if it is of this load and these bytes. */
function resumableRun(
  task: ParseTask,
  scratch: ParseScratch,
  binding: Buffer,
): RunHeader | undefined {
  const { index, runFolder, shardCount } = task;
  let header: RunHeader;
  try {
    const run = openRun(runFolder, binding, index, shardCount);
    closeSync(run.file);
    ({ header } = run);
  } catch {
    // Missing or damaged: the chunk is parsed again.
    return undefined;
  }
  return header.chunkCrc === crcOfPieces(task, scratch) ? header : undefined;
}

function contextFor(scratch: ParseScratch, dialect: Dialect, shardCount: number): ParseContext {
  const key = JSON.stringify([dialect, shardCount]);
  if (scratch.context === undefined || scratch.contextKey !== key) {
    if (scratch.context !== undefined) releaseParseScratch(scratch);
    scratch.context = newParseContext(dialect, shardCount, scratch.budget);
    scratch.contextKey = key;
  }
  return scratch.context;
}

/** Estimates the need of the whole chunk from the part that was parsed. */
function withEstimate(
  short: BudgetExceeded,
  { dialect, pieces }: ParseTask,
  scratch: ParseScratch,
  { assembled, rows }: ParseContext,
): BudgetExceeded {
  const [first, second] = pieces;
  // With several pieces the caller increases the budget step by step.
  if (first === undefined || second !== undefined) return short;
  const chunkBytes = pieceBytes(first);
  const bytes = scratch.chunk.subarray(0, chunkBytes);
  if (bytes.length < chunkBytes || rows.lineCount === 0) return short;
  const lineCount = formatNamed(dialect.format).lineCount(bytes, first);
  const rest = bytesOfParsed(rows, assembled) * (lineCount / rows.lineCount);
  const needed = Math.ceil((chunkBytes + rest) * PARSE_MARGIN);
  return new BudgetExceeded(short.nextBytes, Math.max(short.nextBytes, needed));
}

function outcomeOf(header: RunHeader, isResumed: boolean): ParseOutcome {
  return {
    chunkIndex: header.chunkIndex,
    chunkCrc: header.chunkCrc,
    isResumed,
    rowCount: header.rowCount,
    rejectedCount: header.rejectedCount,
    lineCount: header.lineCount,
    spanningCount: header.spanningCount,
    sectionBytes: header.sectionBytes,
    sectionRows: header.sectionRows,
  };
}
