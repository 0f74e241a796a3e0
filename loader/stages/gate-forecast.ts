// Predicts the gate's verdict on the version that a dry run has built, by the master's own rule
// (proto/load-gate.ts), as far as what the rule needs is known before the load. Pure.
//
//   replace            the version has the input's keys, and no others
//   append             it has as many as the larger of both, or as both together: how many keys are new is
//                      counted at the commit
//   no master answers  the current version is not known
//
// So a version has `least` to `most` records. A limit refuses all of these counts, or accepts all
// of them, or is reported as unchecked.

import { shorten } from '../../base/ids.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { LoadGate } from '../../proto/gen/stele/v1/load.ts';
import { emptyGate, findRejection } from '../../proto/load-gate.ts';
import type { GateCandidate, KeyFinding } from '../../proto/load-gate.ts';

/** What is known about the target cluster. */
export interface TargetCluster {
  readonly shardCount: number;
  /** The current version; null if there is none, undefined if it is not known. */
  readonly current: GateCandidate['current'] | null;
  /** Why the current version is not known, as a clause. */
  readonly whyUnknown: string;
  /**
   * Looks keys up in the current version; absent if no master can be asked. Rejects with
   * SteleError.
   */
  readonly lookUp?: (keys: readonly Buffer[]) => Promise<readonly (Buffer | null)[]>;
}

export interface ForecastInput {
  readonly gate: LoadGate;
  readonly mode: LoadMode;
  /** Distinct keys of the input. */
  readonly records: number;
  /** The required keys whose value in the version is known. */
  readonly keys: readonly KeyFinding[];
  readonly target: Pick<TargetCluster, 'current' | 'whyUnknown'>;
}

export interface GateForecast {
  /** Why the version would not go live, as a clause. */
  readonly rejection: string | undefined;
  /** What could not be decided, one sentence each. */
  readonly unchecked: readonly string[];
}

interface Range {
  readonly least: number;
  readonly most: number;
}

/** One limit on the number of records. */
interface Limit {
  readonly flag: string;
  readonly gate: LoadGate;
  /** The count within the range that is most likely to pass. */
  readonly best: number;
}

export function forecastGate(input: ForecastInput): GateForecast {
  const { gate, keys, target } = input;
  const range = rangeOf(input);
  const reasons: string[] = [];
  const unchecked: string[] = [];
  for (const limit of limitsOf(gate, range)) {
    const isShrink = limit.gate.maxShrink !== undefined;
    if (isShrink && target.current === undefined) {
      unchecked.push(`${limit.flag} could not be checked: ${target.whyUnknown}.`);
      continue;
    }
    const refused = (records: number): string | undefined =>
      findRejection(limit.gate, { records, current: target.current ?? undefined, keys: [] });
    const atBest = refused(limit.best);
    if (atBest !== undefined) reasons.push(atBest);
    else if (refused(range.least) !== undefined || refused(range.most) !== undefined) {
      unchecked.push(
        `${limit.flag} could not be checked: the version would have ${counts(range)}.`,
      );
    }
  }
  const known = findRejection(emptyGate(), { records: 0, current: undefined, keys });
  if (known !== undefined) reasons.push(known);
  unchecked.push(...uncheckedKeys(gate, keys));
  return { rejection: reasons.length === 0 ? undefined : reasons.join('; '), unchecked };
}

function rangeOf({ mode, records, target: { current } }: ForecastInput): Range {
  if (mode !== LoadMode.APPEND || current === null) return { least: records, most: records };
  if (current === undefined) return { least: records, most: Number.POSITIVE_INFINITY };
  return { least: Math.max(records, current.records), most: records + current.records };
}

function limitsOf(gate: LoadGate, { least, most }: Range): Limit[] {
  const { expectRows, expectTolerance, maxShrink, minRows } = gate;
  const limits: Limit[] = [];
  const open = emptyGate();
  if (expectRows !== undefined) {
    const best = Math.min(Math.max(expectRows, least), most);
    limits.push({ flag: '--expect-rows', gate: { ...open, expectRows, expectTolerance }, best });
  }
  if (minRows !== undefined) {
    limits.push({ flag: '--min-rows', gate: { ...open, minRows }, best: most });
  }
  // A limit of 100% refuses nothing.
  if (maxShrink !== undefined && maxShrink < 1) {
    const flag = `--max-shrink ${Number((maxShrink * 100).toFixed(2))}%`;
    limits.push({ flag, gate: { ...open, maxShrink }, best: most });
  }
  return limits;
}

function counts({ least, most }: Range): string {
  const why = 'how many of the keys are new is counted at the commit';
  return most === Number.POSITIVE_INFINITY
    ? `${least} rows or more; ${why}`
    : `${least} to ${most} rows; ${why}`;
}

function uncheckedKeys({ requireKeys }: LoadGate, known: readonly KeyFinding[]): string[] {
  const found = new Set(known.map(({ required }) => required));
  return requireKeys
    .filter((required) => !found.has(required))
    .map(
      ({ key }) =>
        `--require-key could not be checked: the input has no key '${shorten(key.toString())}', and whether the current version has it is not known.`,
    );
}
