import { test } from 'vitest';
import type { EtcdDefect } from './chaos/etcd-defects.ts';
import { expectFound, isRepeated } from './run-seeds.ts';

/** Each defect, the first seed to try, the seeds within which it is found, and what is found. */
const DEFECTS: readonly (readonly [EtcdDefect, number, number, RegExp])[] = [
  ['no-fence', 1, 20, /changes the catalog, and .* leads/],
  ['lease-from-answer', 19, 40, /is over, and it still leads|m\d,m\d lead/],
  ['lease-as-asked', 9, 20, /is over, and it still leads|m\d,m\d lead/],
  ['lost-is-not-made', 17, 40, /is made once more, or after a later one|that was refused/],
  ['orders-after-lease', 1, 10, /sends .*, and has no lease that counts/],
  ['journal-is-left', 40, 120, /does not know .* as it is stored|the journal/],
  ['live-piece-removed', 19, 80, /a piece of .* is removed/],
];

// Does not run while a single seed is repeated.
test.skipIf(isRepeated).each(DEFECTS)(
  'the rule that %s breaks on purpose is seen to be broken, from seed %i, within %i seeds',
  (defect, first, seedsMax, expected) =>
    expectFound({ masters: 'several' }, defect, first, seedsMax, expected),
);
