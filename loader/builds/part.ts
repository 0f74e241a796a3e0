// `--task i/n`: which part of the work a process does. Schedulers count from 0 or from 1, so i
// counts modulo n: 0/8 and 8/8 are the same part.

import { TASKS_MAX } from '../../archive/builds/layout.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';

export interface Part {
  /** 1 to `count`. */
  readonly number: number;
  readonly count: number;
}

/** Throws INVALID_ARGUMENT. */
export function parsePart(text: string | undefined, countMax = TASKS_MAX): Part {
  if (text === undefined) return { number: 1, count: 1 };
  const [, i, n] = /^(\d{1,9})\/(\d{1,9})$/.exec(text.trim()) ?? [];
  const [index, count] = [Number(i), Number(n)];
  if (i === undefined || count < 1 || count > countMax || index > count) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--task: '${shorten(text)}' is no part of the work; give it as I/N, such as 3/8, with N from 1 to ${countMax} and I from 0 or 1 up to N.`,
    );
  }
  return { number: index === 0 ? count : index, count };
}

/** The bounds of a part of `total` equal things: [first, end). */
export function rangeOfPart({ count, number }: Part, total: number): readonly [number, number] {
  // The end of one part and the start of the next come from the same numbers.
  const bound = (at: number): number => (at === count ? total : Math.floor(total * (at / count)));
  return [bound(number - 1), bound(number)];
}
