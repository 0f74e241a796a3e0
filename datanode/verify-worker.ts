// The worker thread of verifier.ts: a thin shell over segment/verify.ts.

import { toSteleError } from '../base/errors.ts';
import { openSegment } from '../segment/reader.ts';
import { verifySegment } from '../segment/verify.ts';

export interface VerifyTask {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** An error as data: a thrown one would lose its code on the way between threads. */
export type VerifyReply =
  { readonly ok: true } | { readonly ok: false; readonly code: string; readonly message: string };

export default function verify(task: VerifyTask): VerifyReply {
  try {
    verifySegment(openSegment(Buffer.from(task.shared, task.byteOffset, task.byteLength)));
    return { ok: true };
  } catch (thrown) {
    const error = toSteleError(thrown, 'CORRUPT');
    return { ok: false, code: error.code, message: error.message };
  }
}
