// The words of CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT, with Redis's own errors.

import { SteleError } from '../../base/errors.ts';
import { SLOT_COUNT } from '../../base/limits.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { integerArgument } from './integer-argument.ts';

/** Keys of one answer: as many as arguments of one command. */
const KEYS_MAX = 65_536;

/** `CLUSTER COUNTKEYSINSLOT slot`. Throws INVALID_ARGUMENT. */
export function countedSlot(command: CommandArguments): number {
  const slot = integerArgument(command, 2);
  if (isSlot(slot)) return slot;
  throw new SteleError('INVALID_ARGUMENT', 'Invalid slot');
}

/** `CLUSTER GETKEYSINSLOT slot count`. Throws INVALID_ARGUMENT. */
export function listedSlot(command: CommandArguments): { slot: number; keysMax: number } {
  const slot = integerArgument(command, 2);
  const keysMax = integerArgument(command, 3);
  if (isSlot(slot) && keysMax >= 0) return { slot, keysMax: Math.min(keysMax, KEYS_MAX) };
  throw new SteleError('INVALID_ARGUMENT', 'Invalid slot or number of keys');
}

function isSlot(slot: number): boolean {
  return slot >= 0 && slot < SLOT_COUNT;
}
