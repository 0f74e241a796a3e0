// Verifying segments without stalling reads.
//
// Small ones are verified in place, in steps with the event loop served in between: starting a thread
// costs more than that. Large ones go to worker threads, which read the same SharedArrayBuffer;
// nothing is copied.

import { Piscina } from 'piscina';
import { availableParallelism } from 'node:os';
import { monotonicNowMs } from '../base/clock.ts';
import { SteleError, isErrorCode, toSteleError } from '../base/errors.ts';
import { openSegment, segmentMeta } from '../segment/reader.ts';
import type { Segment } from '../segment/reader.ts';
import { stepsOf } from './verify-depth.ts';
import type { VerifyDepth } from './verify-depth.ts';
import type { VerifyReply, VerifyTask } from './verify-worker.ts';

const IN_PLACE_BYTES_MAX = 4 * 1024 * 1024;
/** How long reads may wait for a verification in place. */
const STEP_MS_MAX = 0.5;
const QUEUE_MAX = 10_000;
const THREAD_IDLE_MS = 5000;

export class Verifier {
  #pool: Piscina<VerifyTask, VerifyReply> | undefined;

  /**
   * Opens and verifies a segment file's bytes, and checks that they are the segment asked for.
   * Throws CORRUPT or UNKNOWN_FORMAT.
   */
  async verify(bytes: Buffer, expected: ExpectedSegment, depth: VerifyDepth): Promise<Segment> {
    const segment = openSegment(bytes);
    expectIdentity(segment, expected);
    if (bytes.length <= IN_PLACE_BYTES_MAX) await verifyInPlace(segment, depth);
    else await this.#verifyInThread(bytes, depth);
    return segment;
  }

  async close(): Promise<void> {
    await this.#pool?.destroy();
    this.#pool = undefined;
  }

  async #verifyInThread(bytes: Buffer, depth: VerifyDepth): Promise<void> {
    this.#pool ??= new Piscina<VerifyTask, VerifyReply>({
      filename: new URL('./verify-worker.js', import.meta.url).href,
      minThreads: 0,
      maxThreads: Math.max(1, Math.min(4, availableParallelism())),
      idleTimeout: THREAD_IDLE_MS,
      maxQueue: QUEUE_MAX,
      atomics: 'disabled',
    });
    const reply = await this.#run(this.#pool, {
      shared: bytes.buffer,
      byteOffset: bytes.byteOffset,
      byteLength: bytes.byteLength,
      depth,
    });
    if (reply.ok) return;
    throw new SteleError(isErrorCode(reply.code) ? reply.code : 'CORRUPT', reply.message);
  }

  async #run(pool: Piscina<VerifyTask, VerifyReply>, task: VerifyTask): Promise<VerifyReply> {
    try {
      return await pool.run(task);
    } catch (thrown) {
      throw toSteleError(thrown);
    }
  }
}

async function verifyInPlace(segment: Segment, depth: VerifyDepth): Promise<void> {
  let turnEndsAtMs = monotonicNowMs() + STEP_MS_MAX;
  for (const _byteCount of stepsOf(segment, depth)) {
    if (monotonicNowMs() < turnEndsAtMs) continue;
    await new Promise((resolve) => setImmediate(resolve));
    turnEndsAtMs = monotonicNowMs() + STEP_MS_MAX;
  }
}

export interface ExpectedSegment {
  readonly keyspaceUid: string;
  readonly segmentId: string;
}

/** Throws CORRUPT when a file's own header says it is another segment than its name does. */
function expectIdentity(segment: Segment, expected: ExpectedSegment): void {
  const { id, keyspaceUid } = segmentMeta(segment);
  if (id === expected.segmentId && keyspaceUid === expected.keyspaceUid) return;
  throw new SteleError(
    'CORRUPT',
    `The segment named ${expected.segmentId} says of itself that it is ${id} of keyspace ${keyspaceUid}.`,
  );
}
