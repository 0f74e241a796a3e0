// The gate: what a new version must be like to go live. Pure. The master applies it at the commit,
// and a dry run uses it to predict the outcome.
//
//   --expect-rows 1000000±2%   records within 2% of a million
//   --min-rows 1000            at least this many
//   --max-shrink 50%           at most half of the current version's records are missing
//   --require-key k=v          the datanodes answer for k, in this version, and with v
//
// The default of --max-shrink keeps a truncated file from replacing a complete one. All reasons are
// reported at once, so that nobody fixes one and then meets the next.

import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { MAX_SHRINK_DEFAULT, REQUIRED_KEYS_BYTES_MAX, REQUIRED_KEYS_MAX } from '../base/limits.ts';
import { LoadMode } from './gen/stele/v1/load.ts';
import type { LoadGate, RequiredKey } from './gen/stele/v1/load.ts';

/** 1000 x 1.15 is not exactly 1150 in binary. */
const ROUNDING = 1e-6;

/** A key that the gate requires, and the datanodes' answer: null for "not found". */
export interface KeyFinding {
  readonly required: RequiredKey;
  readonly value: Buffer | null;
}

/** The version that is to go live, and the current one. */
export interface GateCandidate {
  readonly records: number;
  readonly current: { readonly number: number; readonly records: number } | undefined;
  readonly keys: readonly KeyFinding[];
}

/** The gate with its defaults filled in. Throws INVALID_ARGUMENT. */
export function gateFor(asked: LoadGate | undefined, mode: LoadMode): LoadGate {
  const gate = asked ?? emptyGate();
  const maxShrink = gate.maxShrink ?? (mode === LoadMode.APPEND ? undefined : MAX_SHRINK_DEFAULT);
  for (const fraction of [gate.expectTolerance, maxShrink ?? 0]) {
    if (Number.isFinite(fraction) && fraction >= 0) continue;
    throw new SteleError('INVALID_ARGUMENT', `A gate has the fraction ${fraction}.`);
  }
  const keyBytes = gate.requireKeys.reduce(
    (sum, { key, value }) => sum + key.length + (value?.length ?? 0),
    0,
  );
  if (gate.requireKeys.length > REQUIRED_KEYS_MAX || keyBytes > REQUIRED_KEYS_BYTES_MAX) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `A load can require ${REQUIRED_KEYS_MAX} keys, with their values ${REQUIRED_KEYS_BYTES_MAX} bytes in all; this one requires ${gate.requireKeys.length} of ${keyBytes} bytes.`,
    );
  }
  return { ...gate, maxShrink };
}

/** A gate that every version passes. */
export function emptyGate(): LoadGate {
  return {
    expectRows: undefined,
    expectTolerance: 0,
    minRows: undefined,
    maxShrink: undefined,
    requireKeys: [],
  };
}

/** Why the candidate must not go live, as a clause; undefined if it may. */
export function findRejection(gate: LoadGate, candidate: GateCandidate): string | undefined {
  const reasons = [
    rowsOtherThanExpected(gate, candidate.records),
    tooFewRows(gate, candidate.records),
    shrunkTooFar(gate, candidate),
    ...candidate.keys.map(keyNotAsRequired),
  ].filter((reason) => reason !== undefined);
  return reasons.length === 0 ? undefined : reasons.join('; ');
}

function rowsOtherThanExpected(gate: LoadGate, records: number): string | undefined {
  const { expectRows, expectTolerance } = gate;
  if (expectRows === undefined) return undefined;
  const least = Math.ceil(expectRows * (1 - expectTolerance) - ROUNDING);
  const most = Math.floor(expectRows * (1 + expectTolerance) + ROUNDING);
  if (records >= least && records <= most) return undefined;
  const wanted =
    expectTolerance === 0
      ? `${expectRows}`
      : `${expectRows}±${percent(expectTolerance)} (${Math.max(0, least)} to ${most})`;
  return `it has ${rows(records)}, and --expect-rows wants ${wanted}`;
}

function tooFewRows({ minRows }: LoadGate, records: number): string | undefined {
  if (minRows === undefined || records >= minRows) return undefined;
  return `it has ${rows(records)}, and --min-rows wants at least ${minRows}`;
}

function shrunkTooFar(gate: LoadGate, { current, records }: GateCandidate): string | undefined {
  const { maxShrink } = gate;
  if (maxShrink === undefined || current === undefined || current.records === 0) return undefined;
  const missing = current.records - records;
  if (missing <= current.records * maxShrink + ROUNDING) return undefined;
  return `it has ${rows(records)}, ${percent(missing / current.records)} fewer than the ${current.records} of version ${current.number}, and --max-shrink allows ${percent(maxShrink)}`;
}

function keyNotAsRequired({ required, value }: KeyFinding): string | undefined {
  const key = `'${shorten(required.key.toString())}'`;
  const wanted = shorten(required.value?.toString('utf8', 0, 240) ?? '');
  if (value === null) {
    // `--require-key Zm9v==` asks for the key 'Zm9v' with the value '='.
    const rest =
      required.value === undefined
        ? ''
        : ` with the value '${wanted}' (a '=' in a key is written '\\=')`;
    return `it has no key ${key}, which --require-key wants${rest}`;
  }
  if (required.value === undefined || required.value.equals(value)) return undefined;
  const found = shorten(value.toString('utf8', 0, 240));
  return `its key ${key} has the value '${found}', and --require-key wants '${wanted}'`;
}

function rows(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`;
}

/** With at most two decimals. */
function percent(fraction: number): string {
  return `${Number((fraction * 100).toFixed(2))}%`;
}
