// Answers that a master gives from its last view, because no master leads.

import { SteleError } from '../base/errors.ts';
import type { NoLeader } from '../proto/gen/stele/v1/cluster.ts';
import type { Output } from './output.ts';

interface Answer {
  readonly noLeader?: NoLeader | undefined;
}

/** Says on stderr that the answer is from the last view. */
export function tellNoLeader(output: Output, { noLeader }: Answer): void {
  if (noLeader !== undefined) output.errorLine(noLeader.reason);
}

/** Throws UNAVAILABLE for an answer from the last view, where that does not suffice. */
export function requireLeader({ noLeader }: Answer): void {
  if (noLeader !== undefined) throw new SteleError('UNAVAILABLE', noLeader.reason);
}
