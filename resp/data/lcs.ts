// LCS: the longest common subsequence of two values, by the usual dynamic programming table:
//
//   length[i][j] = a[i-1] == b[j-1] ? length[i-1][j-1] + 1 : max(length[i-1][j], length[i][j-1])
//
// The table has a cell per pair of bytes, so the product of the two lengths is bounded.
// Backtracking from its corner yields the bytes, and the ranges of both values in which they lie
// (t_string.c, lcsCommand).

import { SteleError } from '../../base/errors.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { integerArgument } from '../commands/integer-argument.ts';
import type { KeysReply } from '../commands/backend.ts';

/** Takes some tens of milliseconds, during which nothing else is served. */
const CELLS_MAX = 4 * 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

interface LcsOptions {
  len: boolean;
  idx: boolean;
  withMatchLen: boolean;
  minMatchLen: number;
}

/** A range of equal bytes in both values: the first and the last index of each. */
interface Match {
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
  readonly length: number;
}

/** `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]`. Throws INVALID_ARGUMENT. */
export function lcsReply(command: CommandArguments): KeysReply {
  const options = parseOptions(command);
  return {
    readsValues: true,
    write: (out, [a = NO_BYTES, b = NO_BYTES]) => {
      const { bytes, matches } = longestCommon(a, b);
      if (options.idx) writeMatches(out, matches, bytes.length, options);
      else if (options.len) out.integer(bytes.length);
      else out.bulkImmutable(bytes);
    },
  };
}

function parseOptions(command: CommandArguments): LcsOptions {
  const options = { len: false, idx: false, withMatchLen: false, minMatchLen: 0 };
  for (let at = 3; at < command.argc; at++) {
    const option = argumentText(command, at).toLowerCase();
    if (option === 'len') options.len = true;
    else if (option === 'idx') options.idx = true;
    else if (option === 'withmatchlen') options.withMatchLen = true;
    else if (option === 'minmatchlen' && at + 1 < command.argc) {
      options.minMatchLen = Math.max(0, integerArgument(command, ++at));
    } else throw new SteleError('INVALID_ARGUMENT', 'syntax error');
  }
  if (!options.len || !options.idx) return options;
  throw new SteleError(
    'INVALID_ARGUMENT',
    'If you want both the length and indexes, please just use IDX.',
  );
}

function longestCommon(a: Buffer, b: Buffer): { bytes: Buffer; matches: Match[] } {
  const width = b.length + 1;
  if ((a.length + 1) * width > CELLS_MAX) {
    throw new SteleError(
      'UNSUPPORTED',
      'The values are too long for LCS: the product of their lengths is at most 4 Mi.',
    );
  }
  const lengths = lengthTable(a, b);
  const bytes = Buffer.alloc(lengths[lengths.length - 1] ?? 0);
  const matches: Match[] = [];
  let left = bytes.length;
  /** Last indexes of the current match, if `run` is not 0. */
  let run = 0;
  let i = a.length;
  let j = b.length;
  const endRun = (): void => {
    if (run > 0) matches.push({ a: [i, i + run - 1], b: [j, j + run - 1], length: run });
    run = 0;
  };
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      bytes[--left] = a[i - 1] as number;
      run++;
      i--;
      j--;
      continue;
    }
    endRun();
    if ((lengths[(i - 1) * width + j] ?? 0) > (lengths[i * width + j - 1] ?? 0)) i--;
    else j--;
  }
  endRun();
  return { bytes, matches };
}

function lengthTable(a: Buffer, b: Buffer): Uint32Array {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    const row = i * width;
    for (let j = 1; j < width; j++) {
      lengths[row + j] =
        a[i - 1] === b[j - 1]
          ? (lengths[row - width + j - 1] as number) + 1
          : Math.max(lengths[row - width + j] as number, lengths[row + j - 1] as number);
    }
  }
  return lengths;
}

function writeMatches(
  out: ReplyWriter,
  matches: readonly Match[],
  length: number,
  { minMatchLen, withMatchLen }: LcsOptions,
): void {
  const shown = matches.filter((match) => match.length >= minMatchLen);
  out.map(2);
  out.bulkText('matches');
  out.array(shown.length);
  for (const match of shown) {
    out.array(withMatchLen ? 3 : 2);
    for (const [first, last] of [match.a, match.b]) {
      out.array(2);
      out.integer(first);
      out.integer(last);
    }
    if (withMatchLen) out.integer(match.length);
  }
  out.bulkText('len');
  out.integer(length);
}
