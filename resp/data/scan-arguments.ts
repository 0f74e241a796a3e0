// The arguments of SCAN: `cursor [MATCH pattern] [COUNT count] [TYPE type]`, with Redis's own
// errors.

import { SteleError } from '../../base/errors.ts';
import { SCAN_PATTERN_BYTES_MAX } from '../../base/limits.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { integerArgument } from '../commands/integer-argument.ts';
import { decodeCursor } from './scan-cursor.ts';
import type { ScanCursor } from './scan-cursor.ts';

const COUNT_DEFAULT = 10;
/**
 * COUNT is a hint: a call costs more than so many records, so smaller pages would only mean more
 * calls.
 */
const RECORDS_MIN = 256;
/** Limit of records that one call reads, whatever its COUNT: about a millisecond. */
const COUNT_MAX = 10_000;

export interface ScanArguments {
  readonly cursor: ScanCursor;
  /** Records to read: RECORDS_MIN .. COUNT_MAX. */
  readonly count: number;
  /** A copy, not empty; undefined matches every key. */
  readonly pattern: Buffer | undefined;
  /** False if nothing can match: a type that no key has here, or an empty pattern. */
  readonly strings: boolean;
}

/** Throws INVALID_ARGUMENT. */
export function scanArguments(command: CommandArguments): ScanArguments {
  const cursor = decodeCursor(argumentText(command, 1));
  let count = COUNT_DEFAULT;
  let pattern: Buffer | undefined;
  let strings = true;
  for (let at = 2; at < command.argc; at += 2) {
    const option = argumentText(command, at).toLowerCase();
    if (at + 1 >= command.argc) throw syntaxError();
    if (option === 'count') count = countArgument(command, at + 1);
    else if (option === 'match') pattern = patternArgument(command, at + 1);
    else if (option === 'type') strings = argumentText(command, at + 1).toLowerCase() === 'string';
    else throw syntaxError();
  }
  const isEmpty = pattern?.length === 0;
  return { cursor, count: Math.max(count, RECORDS_MIN), pattern, strings: strings && !isEmpty };
}

function countArgument(command: CommandArguments, at: number): number {
  const count = integerArgument(command, at);
  if (count < 1) throw syntaxError();
  return Math.min(count, COUNT_MAX);
}

/** The MATCH pattern. One of stars alone matches everything and is dropped. */
function patternArgument(command: CommandArguments, at: number): Buffer | undefined {
  const bytes = command.buffer.subarray(command.starts[at], command.ends[at]);
  if (bytes.length > SCAN_PATTERN_BYTES_MAX) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `a pattern has at most ${SCAN_PATTERN_BYTES_MAX} bytes`,
    );
  }
  return /^\*+$/.test(bytes.toString('latin1')) ? undefined : Buffer.from(bytes);
}

function syntaxError(): SteleError {
  return new SteleError('INVALID_ARGUMENT', 'syntax error');
}
