// The worker thread of verifier.ts: a thin shell over its steps.
//
// It runs at the lowest priority, where the system can do that for one thread, and in short strokes where
// there are readers: whoever waits for a verification waits for a disk, too, and readers wait for nobody.

import { writeFileSynced } from '../../base/durable-file.ts';
import { toSteleError } from '../../base/errors.ts';
import { collectYoungGarbageSoon } from '../../base/free-memory.ts';
import { Strokes, giveWayInThread } from '../../base/give-way.ts';
import { openSegment } from '../../segment/reader.ts';
import { stepsOf } from './verify-steps.ts';
import type { VerifyDepth } from './verify-steps.ts';

export interface VerifyTask {
  readonly shared: ArrayBufferLike;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly depth: VerifyDepth;
  /** Of bytes that have passed the full check; empty: none are known. */
  readonly knownSeal: string;
  /** Where good bytes are written to, and synced; the file must not exist. Empty: nowhere. */
  readonly path: string;
  /** Readers are being answered meanwhile. */
  readonly isBesideReaders: boolean;
}

/** An error as data: a thrown one would lose its code on the way between threads. */
export type VerifyReply =
  | { readonly ok: true; readonly seal: string }
  | { readonly ok: false; readonly code: string; readonly message: string };

giveWayInThread();
const strokes = new Strokes();

export default function verify(task: VerifyTask): VerifyReply {
  // The segment may be dropped before this thread has anything else to collect.
  collectYoungGarbageSoon();
  const bytes = Buffer.from(task.shared, task.byteOffset, task.byteLength);
  const rest = task.isBesideReaders ? () => strokes.rest() : undefined;
  let seal: string;
  try {
    seal = runSteps(stepsOf(openSegment(bytes), task.depth, task.knownSeal), rest);
  } catch (thrown) {
    return failure(thrown, 'CORRUPT');
  }
  if (task.path === '') return { ok: true, seal };
  try {
    writeFileSynced(task.path, bytes, rest);
    return { ok: true, seal };
  } catch (thrown) {
    return failure(thrown, 'IO');
  }
}

function runSteps(steps: Generator<number, string, void>, rest?: () => void): string {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    rest?.();
  }
}

function failure(thrown: unknown, otherwise: 'CORRUPT' | 'IO'): VerifyReply {
  const { code, message } = toSteleError(thrown, otherwise);
  return { ok: false, code, message };
}
