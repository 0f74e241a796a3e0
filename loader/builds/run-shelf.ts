// The runs of a task: each goes into the store as soon as it is made, and leaves this disk. Beside
// the checkpoint, a note of each stored run stays in the work folder, from which the same command
// resumes:
//
//     runs/000012.run     being stored, or kept to show its bad rows
//     runs/000012.note    CRC32 | the outcome of the parse task, with the name of the run

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import type { BuiltRun, TaskShards } from '../../archive/builds/built.ts';
import { runObject } from '../../archive/builds/layout.ts';
import type { ObjectStore } from '../../archive/object-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { formatNamed } from '../formats/formats.ts';
import type { Portion } from '../formats/chunks.ts';
import { runPath } from '../runs/run-file.ts';
import { DIGEST_LANES } from '../runs/run-totals.ts';
import type { RunTotals } from '../runs/run-totals.ts';
import { inputOf } from '../stages/load-job.ts';
import type { LoadJob, RunShelf } from '../stages/load-job.ts';
import { rangeOf } from '../stages/parse-stage.ts';
import type { ParseOutcome } from '../threads/parse-task.ts';
import { Digest } from '../../segment/digest.ts';

/** Runs with bad rows that stay here until the end, so that the first of them can be shown. */
const KEPT_MAX = 8;
const CRC_BYTES = 4;

/** Called before the job has its shelf, so it gets the rest of it. */
type ShelfJob = Pick<LoadJob, 'folder' | 'kept' | 'prepared' | 'shardCount' | 'stop'>;

export class StoredRuns implements RunShelf {
  readonly #store: ObjectStore;
  readonly #job: ShelfJob;
  /** By chunk. */
  readonly #runs: BuiltRun[] = [];
  readonly #rows: Float64Array;
  readonly #keyBytes: Float64Array;
  readonly #valueBytes: Float64Array;
  readonly #lanes: Int32Array;
  #keptCount = 0;

  constructor(store: ObjectStore, job: ShelfJob) {
    this.#store = store;
    this.#job = job;
    const { shardCount } = job;
    this.#rows = new Float64Array(shardCount);
    this.#keyBytes = new Float64Array(shardCount);
    this.#valueBytes = new Float64Array(shardCount);
    this.#lanes = new Int32Array(shardCount * DIGEST_LANES);
  }

  async find(portion: Portion): Promise<ParseOutcome | undefined> {
    const { kept, stop } = this.#job;
    const { end, start } = rangeOf(portion);
    const before = kept.chunks.get(portion.index);
    if (before?.start !== start || before.end !== end) return undefined;
    const outcome = this.#readNote(portion.index);
    // Bad rows are shown from the run itself.
    if (outcome?.totals === undefined || outcome.rejectedCount > 0) return undefined;
    const { fileBytes, hash } = outcome.totals;
    if (outcome.rowCount === 0) return outcome;
    const stored = await this.#store.stat(runObject(hash), { signal: stop.signal });
    return stored?.byteCount === fileBytes ? outcome : undefined;
  }

  async take(portion: Portion, outcome: ParseOutcome): Promise<void> {
    const { totals } = outcome;
    if (totals === undefined) throw new SteleError('INTERNAL', 'A run came without its totals.');
    if (!outcome.isResumed) {
      await this.#put(portion.index, outcome, totals);
      this.#writeNote(portion.index, outcome);
    }
    this.#count(portion, outcome, totals);
  }

  /** In the order of the input; runs without rows are not in it. */
  get runs(): readonly BuiltRun[] {
    return this.#runs.filter((run) => run !== undefined && run.rows > 0);
  }

  get shards(): TaskShards {
    const lanesOf = (shard: number): Int32Array =>
      this.#lanes.subarray(shard * DIGEST_LANES, (shard + 1) * DIGEST_LANES);
    const digests = Array.from(this.#rows, (_, shard) => {
      const digest = new Digest();
      digest.lanes.set(lanesOf(shard));
      return digest.toHex();
    });
    return {
      rows: [...this.#rows],
      keyBytes: [...this.#keyBytes],
      valueBytes: [...this.#valueBytes],
      digests: digests.join(''),
    };
  }

  async #put(index: number, outcome: ParseOutcome, totals: RunTotals): Promise<void> {
    const path = runPath(this.#job.folder.runs, index);
    if (outcome.rowCount > 0) {
      const file = await open(path, 'r');
      try {
        const read = async (start: number, end: number): Promise<Uint8Array> => {
          const bytes = Buffer.allocUnsafe(end - start);
          const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
          if (bytesRead === bytes.length) return bytes;
          throw new SteleError('IO', `'${path}' was cut short while it was being stored.`);
        };
        const { signal } = this.#job.stop;
        const body = { byteCount: totals.fileBytes, read };
        await this.#store.put(runObject(totals.hash), body, { signal });
      } finally {
        await file.close();
      }
    }
    if (outcome.rejectedCount > 0 && this.#keptCount < KEPT_MAX) this.#keptCount++;
    else rmSync(path, { force: true });
  }

  #count(portion: Portion, outcome: ParseOutcome, totals: RunTotals): void {
    for (let shard = 0; shard < this.#rows.length; shard++) {
      addAt(this.#rows, shard, outcome.sectionRows[shard] as number);
      addAt(this.#keyBytes, shard, totals.keyBytes[shard] as number);
      addAt(this.#valueBytes, shard, totals.valueBytes[shard] as number);
    }
    for (let lane = 0; lane < this.#lanes.length; lane++) {
      addAt(this.#lanes, lane, totals.lanes[lane] as number);
    }
    const { fileBytes, hash } = totals;
    const from = this.#placeOf(portion);
    this.#runs[portion.index] = { hash, bytes: fileBytes, rows: outcome.rowCount, from };
  }

  #placeOf({ pieces }: Portion): string {
    const [first] = pieces;
    const { dialect, path } = inputOf(this.#job, first);
    return `${shorten(path, 120)} ${formatNamed(dialect.format).placeText(first, 0)}`;
  }

  #notePath(index: number): string {
    return runPath(this.#job.folder.runs, index).replace(/run$/, 'note');
  }

  /** Undefined if there is none, or it is torn, or another release of Node.js wrote it. */
  #readNote(index: number): ParseOutcome | undefined {
    try {
      const bytes = readFileSync(this.#notePath(index));
      const content = bytes.subarray(CRC_BYTES);
      if (bytes.readUInt32LE(0) !== crc32(content)) return undefined;
      return deserialize(content) as ParseOutcome;
    } catch {
      return undefined;
    }
  }

  #writeNote(index: number, outcome: ParseOutcome): void {
    const content = serialize(outcome);
    const crc = Buffer.alloc(CRC_BYTES);
    crc.writeUInt32LE(crc32(content));
    const path = this.#notePath(index);
    try {
      writeFileSync(`${path}.tmp`, Buffer.concat([crc, content]));
      renameSync(`${path}.tmp`, path);
    } catch (thrown) {
      throw toSteleError(thrown, 'IO');
    }
  }
}

function addAt(sums: Float64Array | Int32Array, at: number, amount: number): void {
  sums[at] = (sums[at] as number) + amount;
}
