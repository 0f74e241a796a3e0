// The answers to several keys of which some are on disk, collected until all are known.

import { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { VersionTable } from '../storage/version-tables.ts';
import type { DiskLookupReceiver } from './disk-lookup.ts';
import type { DiskReads } from './disk-reads.ts';
import { lastHit } from './lookup.ts';

export interface KeyAnswer {
  readonly status: LookupStatus;
  /** Empty unless the status is OK. Never changes. */
  readonly value: Buffer;
}

const NO_BYTES = Buffer.alloc(0);
const UNAVAILABLE: KeyAnswer = { status: LookupStatus.UNAVAILABLE, value: NO_BYTES };
const NOT_FOUND: KeyAnswer = { status: LookupStatus.NOT_FOUND, value: NO_BYTES };

/**
 * Looks up keys of one version. Throws BATCH_TOO_LARGE if their values may have more than `bytesMax`
 * bytes together.
 */
export async function lookUpAll(
  disk: DiskReads,
  table: VersionTable | undefined,
  keys: readonly Uint8Array[],
  bytesMax: number,
): Promise<readonly KeyAnswer[]> {
  return new Promise((resolve, reject) => {
    const collected = new DiskAnswers(() => resolve(collected.answers));
    for (const key of keys) {
      collected.ask(disk, table, key, 0, key.length);
      if (collected.recordBytes > bytesMax) return reject(tooLarge(bytesMax));
    }
    collected.start();
  });
}

function tooLarge(bytesMax: number): SteleError {
  return new SteleError(
    'BATCH_TOO_LARGE',
    `The values have more than ${bytesMax} bytes together; ask for fewer keys.`,
  );
}

export class DiskAnswers implements DiskLookupReceiver {
  readonly answers: KeyAnswer[] = [];
  /** Bytes of the records that were found or are being read: the values have no more. */
  recordBytes = 0;
  /** Why a key could not be read; of several, the first. */
  failure: SteleError | undefined;
  readonly #onDone: () => void;
  #left = 0;
  #isStarted = false;

  /** `onDone` is called once all keys are answered, after `start`. */
  constructor(onDone: () => void) {
    this.#onDone = onDone;
  }

  /** Looks up the next key in memory, or begins to read it from disk. */
  ask(
    disk: DiskReads,
    table: VersionTable | undefined,
    key: Uint8Array,
    start: number,
    end: number,
  ): void {
    const index = this.answers.length;
    this.answers.push(UNAVAILABLE);
    this.#left++;
    const status = disk.answerNow(table, key, start, end);
    if (status === undefined) {
      this.recordBytes += disk.recordBytes;
      return disk.lookup(key, start, end, this, index);
    }
    this.recordBytes += status === LookupStatus.OK ? lastHit.end - lastHit.start : 0;
    const { bytes, end: valueEnd, start: valueStart } = lastHit;
    this.answer(index, status, bytes, valueStart, valueEnd, disk.isLent, undefined);
  }

  /** To be called after the last `ask`. */
  start(): void {
    this.#isStarted = true;
    if (this.#left === 0) this.#onDone();
  }

  answer(
    index: number,
    status: LookupStatus,
    bytes: Buffer,
    start: number,
    end: number,
    isLent: boolean,
    failure: SteleError | undefined,
  ): void {
    this.failure ??= failure;
    if (status === LookupStatus.OK) {
      const view = bytes.subarray(start, end);
      this.#set(index, { status, value: isLent ? Buffer.from(view) : view });
    } else this.#set(index, status === LookupStatus.NOT_FOUND ? NOT_FOUND : UNAVAILABLE);
  }

  #set(index: number, answer: KeyAnswer): void {
    this.answers[index] = answer;
    if (--this.#left === 0 && this.#isStarted) this.#onDone();
  }
}
