// The worker thread of a load: a thin shell over the two tasks. One file and one pool for both
// stages, so that threads are started once.
//
// Errors cross the thread boundary as plain objects: structured clone would strip a SteleError of
// its code.

import { toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { MemoryShort } from '../bytes/allowance.ts';
import { newBuildScratch, runBuildTask } from './build-task.ts';
import type { BuildOutcome, BuildTask } from './build-task.ts';
import { giveBackParseScratch, newParseScratch, runParseTask } from './parse-task.ts';
import type { ParseOutcome, ParseTask } from './parse-task.ts';

/** What comes back from a worker. */
export type WorkerReply<Outcome> =
  | { readonly outcome: Outcome }
  | { readonly nextBytes: number; readonly neededBytes: number }
  | { readonly failure: { readonly code: ErrorCode; readonly message: string } };

const parseScratch = newParseScratch();
let isBuilding = false;
const buildScratch = newBuildScratch();

export function parse(task: ParseTask): WorkerReply<ParseOutcome> {
  isBuilding = false;
  return reply(() => runParseTask(task, parseScratch));
}

export function build(task: BuildTask): WorkerReply<BuildOutcome> {
  // The stages follow each other: what parsing needed makes room.
  if (!isBuilding) giveBackParseScratch(parseScratch);
  isBuilding = true;
  return reply(() => runBuildTask(task, buildScratch));
}

function reply<Outcome>(run: () => Outcome): WorkerReply<Outcome> {
  try {
    return { outcome: run() };
  } catch (thrown) {
    if (thrown instanceof MemoryShort) {
      return { nextBytes: thrown.nextBytes, neededBytes: thrown.neededBytes };
    }
    const { code, message } = toSteleError(thrown);
    return { failure: { code, message } };
  }
}
