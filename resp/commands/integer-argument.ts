// Parses integers as Redis does: decimal digits with an optional minus, no leading zero, within 64
// bits.

import { SteleError } from '../../base/errors.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/**
 * Argument `at` as an integer. Values beyond +-2^53 are clamped to that bound, which lengths and
 * counts never reach. Throws INVALID_ARGUMENT with Redis's message.
 */
export function integerArgument(command: CommandArguments, at: number): number {
  const text = argumentText(command, at);
  if (!/^(?:0|-?[1-9][0-9]{0,18})$/.test(text)) throw notAnInteger();
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  const exact = BigInt(text);
  if (exact > INT64_MAX || exact < INT64_MIN) throw notAnInteger();
  return value > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
}

function notAnInteger(): SteleError {
  return new SteleError('INVALID_ARGUMENT', 'value is not an integer or out of range');
}
