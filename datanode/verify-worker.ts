// The worker thread of verifier.ts: a thin shell over its steps.

import { toSteleError } from '../base/errors.ts';
import { openSegment } from '../segment/reader.ts';
import { stepsOf } from './verify-depth.ts';
import type { VerifyDepth } from './verify-depth.ts';

export interface VerifyTask {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly depth: VerifyDepth;
}

/** An error as data: a thrown one would lose its code on the way between threads. */
export type VerifyReply =
  { readonly ok: true } | { readonly ok: false; readonly code: string; readonly message: string };

export default function verify(task: VerifyTask): VerifyReply {
  try {
    const segment = openSegment(Buffer.from(task.shared, task.byteOffset, task.byteLength));
    for (const _byteCount of stepsOf(segment, task.depth));
    return { ok: true };
  } catch (thrown) {
    const error = toSteleError(thrown, 'CORRUPT');
    return { ok: false, code: error.code, message: error.message };
  }
}
