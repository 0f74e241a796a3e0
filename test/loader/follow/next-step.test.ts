import { describe, expect, it } from 'vitest';
import { nextStep } from '../../../loader/follow/next-step.ts';
import type { PresentVersion } from '../../../loader/follow/next-step.ts';

/** `1a 2b* 3c!`: numbers and digests; `*` the current one, `!` a rejected one. */
function versions(text: string): PresentVersion[] {
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => ({
      number: Number(word[0]),
      digest: word[1] ?? '',
      isCurrent: word.endsWith('*'),
      isRejected: word.endsWith('!'),
    }));
}

describe('what is done next', () => {
  it.each([
    ['nothing is here', '', 'a', false, { kind: 'take' }],
    ['something else is here', '1a*', 'b', false, { kind: 'take' }],
    ['it is current', '1a 2b*', 'b', false, { kind: 'current', version: 2 }],
    ['it is current, and was rejected once', '1b! 2b*', 'b', true, { kind: 'current', version: 2 }],
    ['it failed its gate', '1a* 2b!', 'b', true, { kind: 'rejected', version: 2 }],
    ['it failed twice', '1a* 2b! 3b!', 'b', true, { kind: 'rejected', version: 3 }],
    ['another one failed', '1a* 2b!', 'c', false, { kind: 'take' }],
    ['the source went back', '1a 2b*', 'a', true, { kind: 'promote', version: 1 }],
    [
      'the source went back before this start',
      '1a 2b*',
      'a',
      false,
      { kind: 'promote', version: 1 },
    ],
    ['somebody rolled back here', '1a* 2b', 'b', false, { kind: 'held-back', version: 2 }],
    ['the source went back and forth', '1a* 2b', 'b', true, { kind: 'promote', version: 2 }],
  ] as const)('%s', (_, present, digest, hasMoved, expected) => {
    expect(nextStep(digest, versions(present), hasMoved)).toEqual(expected);
  });
});
