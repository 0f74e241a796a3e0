// The checkpoint of a load, from which the same command resumes: a log of lines in the work folder,
// each with its own checksum. A torn last line is dropped; all lines before it are valid.
//
//     9f3c1a20 {"type":"header","format":1,"local":"...","binding":"...","loadId":"...", ...}
//     01b2aa77 {"type":"chunk","index":0,"start":12,"end":16777226}
//     77aa90fe {"type":"shard","shard":5,"rows":7800,"duplicates":2,"segment":{...},"nodes":["a","b"]}
//     2c1d9c11 {"type":"commit"}
//
// A line is written when the step it records is complete (a run is renamed, a segment is
// acknowledged by nodes that have synced it). The log itself is not synced: lines that are missing
// after a power cut cost only work, and a run that the disk lost is detected by its own checksums.
//
// The header and every run carry a binding: a hash of what they were made from. Anything with
// another binding belongs to another load and is discarded, never trusted.

import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { PreparedInput } from '../input/inputs.ts';
import { BINDING_BYTES } from '../runs/run-file.ts';
import { hashOf } from './fingerprint.ts';

const FORMAT = 3;
/** Raised when the encoding of runs, or the meaning of a dialect, changes. */
const WORK_FORMAT = 2;
const FILE_NAME = 'checkpoint.log';

export interface CheckpointHeader {
  /** Hash of inputs, dialect and chunk size (`localBinding`). */
  readonly local: string;
  /** Hash of that and the shard count; also in every run. 32 hex digits. */
  readonly binding: string;
  readonly loadId: string;
  readonly keyspace: string;
  /** Hash of the flags that decide the result of the load (fingerprint.ts). */
  readonly flags: string;
  readonly shardCount: number;
  /** An estimate. */
  readonly chunksExpected: number;
}

export interface ChunkDone {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** A segment as it is written in JSON. */
interface SegmentRecord {
  readonly id: string;
  readonly fileBytes: number;
  readonly records: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Hex. */
  readonly digest: string;
}

export interface ShardDone {
  readonly shard: number;
  readonly rows: number;
  readonly duplicates: number;
  /** Of `duplicates`, those with another value, resolved by --on-conflict. */
  readonly overruled: number;
  /** Of `duplicates`; only of a build. */
  readonly dropped?: Pick<SegmentRecord, 'keyBytes' | 'valueBytes' | 'digest'>;
  /** Missing for a shard without records. */
  readonly segment?: SegmentRecord;
  /** Nodes that acknowledged it. */
  readonly nodes: readonly string[];
}

export interface Checkpoint {
  readonly header: CheckpointHeader;
  readonly chunks: ReadonlyMap<number, ChunkDone>;
  readonly shards: ReadonlyMap<number, ShardDone>;
  /** Whether a commit was begun; only the master knows whether it was carried out. */
  readonly isCommitting: boolean;
  /** Lines after the last intact one, without the torn end of a killed writer. */
  readonly linesLost: number;
}

type Line =
  | ({ readonly type: 'header'; readonly format: number } & CheckpointHeader)
  | ({ readonly type: 'chunk' } & ChunkDone)
  | ({ readonly type: 'shard' } & ShardDone)
  | { readonly type: 'commit' };

/**
 * The checkpoint that an earlier process left, or why it cannot be used: it is missing ('none'),
 * its header is cut short or damaged, or another release wrote it.
 */
export function readCheckpoint(folder: string): Checkpoint | { readonly unusable: string } {
  const path = join(folder, FILE_NAME);
  if (!hasCheckpoint(folder)) return { unusable: 'none' };
  const { lines, linesLost } = intactLines(readFileSync(path, 'utf8'));
  const [header] = lines;
  if (header?.type !== 'header') return { unusable: 'its beginning is damaged' };
  if (header.format !== FORMAT) {
    return { unusable: `it has format ${header.format}, this release reads ${FORMAT}` };
  }
  const chunks = new Map<number, ChunkDone>();
  const shards = new Map<number, ShardDone>();
  let isCommitting = false;
  for (const line of lines) {
    if (line.type === 'chunk') chunks.set(line.index, line);
    else if (line.type === 'shard') shards.set(line.shard, line);
    else if (line.type === 'commit') isCommitting = true;
  }
  return { header, chunks, shards, isCommitting, linesLost };
}

export function hasCheckpoint(folder: string): boolean {
  return existsSync(join(folder, FILE_NAME));
}

/** The lines before the first damaged one. */
function intactLines(text: string): { readonly lines: Line[]; readonly linesLost: number } {
  const lines: Line[] = [];
  const parts = text.split('\n');
  // What follows the last newline is a torn line, or empty.
  parts.pop();
  for (const part of parts) {
    const json = part.slice(9);
    const line = part.slice(0, 9) === `${checksum(json)} ` ? parseLine(json) : undefined;
    if (line === undefined) break;
    lines.push(line);
  }
  return { lines, linesLost: parts.length - lines.length };
}

/** Undefined for a line that is not ours although its checksum is right. */
function parseLine(json: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(json);
    return typeof line === 'object' && line !== null && 'type' in line ? (line as Line) : undefined;
  } catch {
    return undefined;
  }
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

function encodeLine(line: Line): string {
  const json = JSON.stringify(line);
  return `${checksum(json)} ${json}\n`;
}

/** Records the steps of a load. */
export interface CheckpointLog {
  chunkDone(done: ChunkDone): void;
  shardDone(done: ShardDone): void;
  committing(): void;
}

/** Appends to the log of a work folder, which must be locked. */
export class CheckpointWriter implements CheckpointLog {
  readonly #path: string;

  /** Begins a new log with what is kept of the last one, and replaces the old one atomically. */
  constructor(
    folder: string,
    header: CheckpointHeader,
    kept: { readonly chunks: Iterable<ChunkDone>; readonly shards: Iterable<ShardDone> },
  ) {
    this.#path = join(folder, FILE_NAME);
    let text = encodeLine({ type: 'header', format: FORMAT, ...header });
    for (const chunk of kept.chunks) text += encodeLine({ ...chunk, type: 'chunk' });
    for (const shard of kept.shards) text += encodeLine({ ...shard, type: 'shard' });
    const temporary = `${this.#path}.tmp`;
    try {
      writeFileSync(temporary, text);
      renameSync(temporary, this.#path);
    } catch (thrown) {
      throw toSteleError(thrown, 'IO');
    }
  }

  chunkDone(done: ChunkDone): void {
    this.#append({ ...done, type: 'chunk' });
  }

  shardDone(done: ShardDone): void {
    this.#append({ ...done, type: 'shard' });
  }

  committing(): void {
    this.#append({ type: 'commit' });
  }

  #append(line: Line): void {
    try {
      appendFileSync(this.#path, encodeLine(line));
    } catch (thrown) {
      const error = toSteleError(thrown, 'IO');
      throw new SteleError(error.code, `The checkpoint cannot be written: ${error.message}`, {
        cause: thrown,
      });
    }
  }
}

/**
 * Hash of what is known without the master: inputs, dialects, chunk size, keyspace. 32 hex digits.
 */
export function localBinding(
  keyspace: string,
  mode: string,
  prepared: PreparedInput,
  chunkBytes: number,
): string {
  const inputs = prepared.inputs.map(({ dataStart, modifiedMs, path, share, sizeBytes }) => [
    path,
    sizeBytes,
    modifiedMs,
    dataStart,
    ...(share ?? []),
  ]);
  // The identity stands for the content of standard input.
  return bindingOf([WORK_FORMAT, keyspace, mode, inputs, prepared.identity, chunkBytes]);
}

/**
 * Hash of `local` and the shard count: the rows of a run are grouped by shard. It names no cluster,
 * so any cluster with that many shards may use the runs.
 */
export function runBinding(local: string, shardCount: number): string {
  return bindingOf([local, shardCount]);
}

/** The name of a load's folder in the work folder: one for each keyspace and set of paths. */
export function workFolderName(keyspace: string, paths: readonly string[]): string {
  return hashOf([keyspace, paths]).slice(0, 16);
}

/** BINDING_BYTES of hash, hex. */
function bindingOf(parts: readonly unknown[]): string {
  return hashOf(parts).slice(0, 2 * BINDING_BYTES);
}
