import { test } from 'vitest';
import type { EtcdDefect } from './chaos/etcd-defects.ts';
import { expectFound, isRepeated } from './run-seeds.ts';

/** Each defect, the seeds within which it is found, and what is found. */
const DEFECTS: readonly (readonly [EtcdDefect, number, RegExp])[] = [
  ['no-fence', 20, /changes the catalog, and .* leads/],
  ['lease-from-answer', 40, /is over, and it still leads|m\d,m\d lead/],
  ['lease-as-asked', 20, /is over, and it still leads|m\d,m\d lead/],
  ['lost-is-not-made', 40, /is made once more, or after a later one|that was refused/],
  ['orders-after-lease', 10, /sends .*, and has no lease that counts/],
  ['journal-is-left', 20, /does not know .* as it is stored|the journal/],
  ['live-piece-removed', 10, /a piece of .* is removed/],
];

// Does not run while a single seed is repeated.
test.skipIf(isRepeated).each(DEFECTS)(
  'the rule that %s breaks on purpose is seen to be broken within %i seeds',
  (defect, seedsMax, expected) => expectFound('several', defect, seedsMax, expected),
);
