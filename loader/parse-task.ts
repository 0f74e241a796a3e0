// Stage 1 for one chunk: read its bytes, parse them, write the run. Runs in a worker thread, or in
// the main one for a small input; synchronous, no state but scratch memory.

import { closeSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { SteleError } from '../base/errors.ts';
import { newArena } from './arena.ts';
import type { Arena } from './arena.ts';
import type { Chunk } from './chunks.ts';
import type { Dialect } from './dialect.ts';
import { readFully } from './file-window.ts';
import { parseChunk } from './parse-chunk.ts';
import { newParseContext } from './parse-context.ts';
import type { ParseContext } from './parse-context.ts';
import { buildRun } from './run-builder.ts';
import { openRun, runPath, writeRunFile } from './run-file.ts';
import type { RunHeader } from './run-file.ts';

/** Serialisable. */
export interface ParseTask {
  readonly chunk: Chunk;
  readonly readPath: string;
  readonly dialect: Dialect;
  readonly shardCount: number;
  readonly runFolder: string;
  /** 16 bytes, hex. */
  readonly binding: string;
  /** The checkpoint says that there is a run; it is used if the chunk's bytes are still those. */
  readonly mayResume: boolean;
}

export interface ParseOutcome {
  readonly chunkIndex: number;
  readonly chunkCrc: number;
  readonly isResumed: boolean;
  readonly rowCount: number;
  readonly rejectedCount: number;
  readonly lineCount: number;
  readonly sectionBytes: Uint32Array;
}

/** Scratch of one thread, kept from task to task. */
export interface ParseScratch {
  context: ParseContext | undefined;
  contextKey: string;
  chunk: Buffer;
  readonly output: Arena;
}

export function newParseScratch(): ParseScratch {
  return { context: undefined, contextKey: '', chunk: Buffer.alloc(0), output: newArena() };
}

/** Throws INPUT_CHANGED, DISK_FULL, IO. */
export function runParseTask(task: ParseTask, scratch: ParseScratch): ParseOutcome {
  const { chunk, shardCount } = task;
  const binding = Buffer.from(task.binding, 'hex');
  const bytes = readChunk(task, scratch);
  const chunkCrc = crc32(bytes);
  const resumed = task.mayResume ? resumableRun(task, binding, chunkCrc) : undefined;
  if (resumed !== undefined) return outcomeOf(resumed, true);
  const context = contextFor(scratch, task.dialect, shardCount);
  parseChunk(context, bytes);
  const run = buildRun(context.rows, scratch.output, binding, chunk.index, chunkCrc);
  writeRunFile(runPath(task.runFolder, chunk.index), run.parts);
  return outcomeOf(run.header, false);
}

function readChunk(task: ParseTask, scratch: ParseScratch): Buffer {
  const { end, start } = task.chunk;
  const byteCount = end - start;
  if (scratch.chunk.length < byteCount) scratch.chunk = Buffer.allocUnsafeSlow(byteCount);
  const bytes = scratch.chunk.subarray(0, byteCount);
  const file = openSync(task.readPath, 'r');
  try {
    if (readFully(file, bytes, byteCount, start) === byteCount) return bytes;
  } finally {
    closeSync(file);
  }
  throw new SteleError('INPUT_CHANGED', `'${task.readPath}' became shorter during the load.`);
}

/** The header of the run that is there, if it is of this load and these bytes. */
function resumableRun(task: ParseTask, binding: Buffer, chunkCrc: number): RunHeader | undefined {
  try {
    const { file, header } = openRun(task.runFolder, binding, task.chunk.index, task.shardCount);
    closeSync(file);
    return header.chunkCrc === chunkCrc ? header : undefined;
  } catch {
    // Missing or damaged: the chunk is parsed again, which is what a run is for saving.
    return undefined;
  }
}

function contextFor(scratch: ParseScratch, dialect: Dialect, shardCount: number): ParseContext {
  const key = JSON.stringify([dialect, shardCount]);
  if (scratch.context === undefined || scratch.contextKey !== key) {
    scratch.context = newParseContext(dialect, shardCount);
    scratch.contextKey = key;
  }
  return scratch.context;
}

function outcomeOf(header: RunHeader, isResumed: boolean): ParseOutcome {
  return {
    chunkIndex: header.chunkIndex,
    chunkCrc: header.chunkCrc,
    isResumed,
    rowCount: header.rowCount,
    rejectedCount: header.rejectedCount,
    lineCount: header.lineCount,
    sectionBytes: header.sectionBytes,
  };
}
