// How far a load has come, so that the next run goes on from there. A log of lines in the work
// folder, each with its own checksum; a torn last line is dropped, and all before it holds.
//
//     9f3c1a20 {"type":"header","format":1,"local":"...","binding":"...","loadId":"...", ...}
//     01b2aa77 {"type":"chunk","index":0,"start":12,"end":16777226}
//     77aa90fe {"type":"shard","shard":5,"rows":7800,"duplicates":2,"segment":{...},"nodes":["a","b"]}
//     2c1d9c11 {"type":"commit"}
//
// A line is written after what it speaks of is complete (a run renamed, a segment acknowledged by
// nodes that had synced it). Nothing here is synced: after a power cut lines may be missing, which
// costs work and nothing else, and a run that the disk lost is found out by its own checksums.

import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { SteleError, toSteleError } from '../../base/errors.ts';

const FORMAT = 3;
const FILE_NAME = 'checkpoint.log';

export interface CheckpointHeader {
  /** Hash of inputs, dialect and chunk size (binding.ts). */
  readonly local: string;
  /** Hash of that and the shard count; also in every run. 32 hex digits. */
  readonly binding: string;
  readonly loadId: string;
  readonly keyspace: string;
  /** Hash of the flags that decide what the load results in (fingerprint.ts). */
  readonly flags: string;
  readonly shardCount: number;
  /** About as many as there will be. */
  readonly chunksExpected: number;
}

export interface ChunkDone {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** A segment as JSON holds it. */
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
  /** Of `duplicates`, those with another value, settled by --on-conflict. */
  readonly overruled: number;
  /** Missing for a shard without records. */
  readonly segment?: SegmentRecord;
  /** Nodes that acknowledged it. */
  readonly nodes: readonly string[];
}

export interface Checkpoint {
  readonly header: CheckpointHeader;
  readonly chunks: ReadonlyMap<number, ChunkDone>;
  readonly shards: ReadonlyMap<number, ShardDone>;
  /** A commit was begun; whether it was carried out only the master knows. */
  readonly isCommitting: boolean;
  /** Lines behind the last intact one, the torn end of a killed writer not counted. */
  readonly linesLost: number;
}

type Line =
  | ({ readonly type: 'header'; readonly format: number } & CheckpointHeader)
  | ({ readonly type: 'chunk' } & ChunkDone)
  | ({ readonly type: 'shard' } & ShardDone)
  | { readonly type: 'commit' };

/**
 * What an earlier run left, or why it cannot be used: missing, cut short before the end of its
 * header, damaged there, or written by a newer release.
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

/** The lines up to the first that is not as it was written. */
function intactLines(text: string): { readonly lines: Line[]; readonly linesLost: number } {
  const lines: Line[] = [];
  const parts = text.split('\n');
  // The piece behind the last newline is a torn line, or empty.
  parts.pop();
  for (const part of parts) {
    const json = part.slice(9);
    const line = part.slice(0, 9) === `${checksum(json)} ` ? parseLine(json) : undefined;
    if (line === undefined) break;
    lines.push(line);
  }
  return { lines, linesLost: parts.length - lines.length };
}

/** Undefined for what is no line of ours though its checksum is right: a file of somebody else's. */
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

/** Where the steps of a load are noted. */
export interface CheckpointLog {
  chunkDone(done: ChunkDone): void;
  shardDone(done: ShardDone): void;
  committing(): void;
}

/** Appends to the log. One per work folder, which is locked. */
export class CheckpointWriter implements CheckpointLog {
  readonly #path: string;

  /** Begins a new log with what is kept of the last one; the old one is replaced at once. */
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
