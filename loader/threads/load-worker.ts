// The worker thread of a load: a thin shell around the two tasks. Both stages share one file and
// one pool, so threads are started once.
//
// Errors cross the thread boundary as plain objects: structured clone would strip a SteleError of
// its code.

import { toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { loadFormat } from '../formats/formats.ts';
import { BudgetExceeded } from '../bytes/memory-budget.ts';
import { newBuildScratch, runBuildTask } from './build-task.ts';
import type { BuildOutcome, BuildTask } from './build-task.ts';
import { releaseParseScratch, newParseScratch, runParseTask } from './parse-task.ts';
import type { ParseOutcome, ParseTask } from './parse-task.ts';

/** What a worker returns. */
export type TaskReply<Outcome> =
  | { readonly outcome: Outcome }
  | { readonly nextBytes: number; readonly neededBytes: number }
  | { readonly failure: { readonly code: ErrorCode; readonly message: string } };

const parseScratch = newParseScratch();
let isBuilding = false;
const buildScratch = newBuildScratch();

export async function parse(task: ParseTask): Promise<TaskReply<ParseOutcome>> {
  isBuilding = false;
  await loadFormat(task.dialect.format);
  return reply(() => runParseTask(task, parseScratch));
}

export function build(task: BuildTask): TaskReply<BuildOutcome> {
  // Parsing is over: its scratch makes room for building.
  if (!isBuilding) releaseParseScratch(parseScratch);
  isBuilding = true;
  return reply(() => runBuildTask(task, buildScratch));
}

function reply<Outcome>(run: () => Outcome): TaskReply<Outcome> {
  try {
    return { outcome: run() };
  } catch (thrown) {
    if (thrown instanceof BudgetExceeded) {
      return { nextBytes: thrown.nextBytes, neededBytes: thrown.neededBytes };
    }
    const { code, message } = toSteleError(thrown);
    return { failure: { code, message } };
  }
}
