// MEMORY USAGE: what a key takes, with its share of the index. `SAMPLES n` is for Redis's collections.

import { SteleError } from '../../base/errors.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { integerArgument } from './integer-argument.ts';

/** Index, lengths and checksums: the mean of a record. */
const RECORD_OVERHEAD_BYTES = 10;

/** Checks `MEMORY USAGE key [SAMPLES count]`, and gives the key's length. Throws INVALID_ARGUMENT. */
export function usageKeyBytes(command: CommandArguments): number {
  for (let at = 3; at < command.argc; at += 2) {
    const isSamples = argumentText(command, at).toLowerCase() === 'samples';
    if (!isSamples || at + 1 >= command.argc || integerArgument(command, at + 1) < 0) {
      throw new SteleError('INVALID_ARGUMENT', 'syntax error');
    }
  }
  return (command.ends[2] ?? 0) - (command.starts[2] ?? 0);
}

/** Bytes of a record in memory. */
export function memoryUsage(keyBytes: number, valueBytes: number): number {
  return keyBytes + valueBytes + RECORD_OVERHEAD_BYTES;
}
