// STELE HOTKEYS [count]: what its argument asks for.

import { SteleError } from '../../base/errors.ts';
import { integerArgument } from '../commands/integer-argument.ts';
import type { CommandArguments } from '../wire/decoder.ts';

const COUNT_DEFAULT = 20;
const COUNT_MAX = 100;

/** How many keys of each list are wanted. Throws INVALID_ARGUMENT. */
export function hotKeysWanted(command: CommandArguments): number {
  if (command.argc === 2) return COUNT_DEFAULT;
  const count = integerArgument(command, 2);
  if (count >= 1 && count <= COUNT_MAX) return count;
  throw new SteleError('INVALID_ARGUMENT', `count must be a number from 1 to ${COUNT_MAX}.`);
}
