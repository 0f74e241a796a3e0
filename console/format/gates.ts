// What a version's gate asked, and how it went.

import type { Version } from '../api/shapes.ts';
import { count, percent } from './numbers.ts';

/** The result in a few words, and each condition. */
export function gateResult({ gate, reason, state }: Version): {
  readonly result: string;
  readonly conditions: readonly string[];
} {
  const conditions = gate === null ? [] : conditionsOf(gate);
  if (state === 'REJECTED') return { result: reason ?? 'refused', conditions };
  return { result: conditions.length === 0 ? 'no condition' : 'passed', conditions };
}

function conditionsOf(gate: NonNullable<Version['gate']>): string[] {
  const conditions: string[] = [];
  if (gate.expect_rows !== null) {
    const within = gate.expect_tolerance > 0 ? ` within ${percent(gate.expect_tolerance)}` : '';
    conditions.push(`${count(gate.expect_rows)} rows${within}`);
  }
  if (gate.min_rows !== null) conditions.push(`at least ${count(gate.min_rows)} rows`);
  if (gate.max_shrink !== null && gate.max_shrink < 1) {
    conditions.push(`at most ${percent(gate.max_shrink)} fewer rows`);
  }
  for (const { key, value } of gate.require_keys.slice(0, 5)) {
    conditions.push(value === null ? `has key ${key}` : `key ${key} is ${value}`);
  }
  const more = gate.require_keys.length - 5;
  if (more > 0) conditions.push(`and ${count(more)} more keys`);
  return conditions;
}
