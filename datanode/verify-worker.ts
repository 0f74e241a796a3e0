// The worker thread of verifier.ts: a thin shell over its steps.
//
// It runs at the lowest priority, where the system can do that for one thread, and in short strokes where
// there are readers: whoever waits for a verification waits for a disk, too, and readers wait for nobody.

import { writeFileSynced } from '../base/durable-file.ts';
import { toSteleError } from '../base/errors.ts';
import { Strokes, giveWayInThread } from '../base/give-way.ts';
import { openSegment } from '../segment/reader.ts';
import { stepsOf } from './verify-depth.ts';
import type { VerifyDepth } from './verify-depth.ts';

export interface VerifyTask {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly depth: VerifyDepth;
  /** Where good bytes are written to, and synced; the file must not exist. Empty: nowhere. */
  readonly path: string;
  /** Readers are being answered meanwhile. */
  readonly isBesideReaders: boolean;
}

/** An error as data: a thrown one would lose its code on the way between threads. */
export type VerifyReply =
  { readonly ok: true } | { readonly ok: false; readonly code: string; readonly message: string };

giveWayInThread();
const strokes = new Strokes();

export default function verify(task: VerifyTask): VerifyReply {
  const bytes = Buffer.from(task.shared, task.byteOffset, task.byteLength);
  const rest = task.isBesideReaders ? () => strokes.rest() : undefined;
  try {
    const segment = openSegment(bytes);
    for (const _byteCount of stepsOf(segment, task.depth)) rest?.();
  } catch (thrown) {
    return failure(thrown, 'CORRUPT');
  }
  if (task.path === '') return { ok: true };
  try {
    writeFileSynced(task.path, bytes, rest);
    return { ok: true };
  } catch (thrown) {
    return failure(thrown, 'IO');
  }
}

function failure(thrown: unknown, otherwise: 'CORRUPT' | 'IO'): VerifyReply {
  const { code, message } = toSteleError(thrown, otherwise);
  return { ok: false, code, message };
}
