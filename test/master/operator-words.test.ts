// What an operator wishes is never overwritten by a loop: words of operators race the loops of the
// real leader on the real store while datanodes come and go, and the last word of each kind is what
// is in the end.

import { asUid } from '../support/test-ids.ts';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toSteleError } from '../../base/errors.ts';
import { KEEP_DEFAULT } from '../../base/limits.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { SEED } from '../support/faults/faults.ts';
import { seededRandom } from '../support/inputs/rows.ts';
import { ControlPlane, until } from './control-plane.ts';

const ROUNDS = 6;
const WORDS_PER_ROUND = 20;
const KEYSPACE = 'prices';
const random = seededRandom(SEED);
const below = (limit: number): number => Math.floor(random() * limit);

let plane: ControlPlane;
beforeEach(async () => {
  console.log(`  seed ${SEED}`);
  plane = new ControlPlane();
  await plane.start();
  await plane.join('a', 'b', 'c');
});
afterEach(() => plane.close());

/** The last settings that operators have asked for. */
interface Wish {
  suspended: boolean;
  replication: number;
  keep: number;
}

/** Says one word. They are taken in the order in which they are said. */
async function say(wish: Wish): Promise<void> {
  const { operations } = plane;
  const kind = below(4);
  if (kind === 0) {
    wish.suspended = true;
    await operations.suspendKeyspace({ keyspace: KEYSPACE });
  } else if (kind === 1) {
    wish.suspended = false;
    await operations.resumeKeyspace({ keyspace: KEYSPACE });
  } else if (kind === 2) {
    wish.replication = 1 + below(3);
    await operations.setReplication({ keyspace: KEYSPACE, replication: wish.replication });
  } else {
    wish.keep = 2 + below(4);
    await operations.setKeep({ keyspace: KEYSPACE, keep: wish.keep });
  }
}

/** One of the datanodes dies or comes back. */
function flap(): void {
  const nodes = [...plane.network.nodes.values()];
  const node = nodes[below(nodes.length)];
  if (node === undefined) return;
  if (node.alive) node.alive = false;
  else node.restart();
}

/**
 * Says words at random moments, without waiting for those before; resolves to the codes of
 * refusals.
 */
async function sayMany(wish: Wish): Promise<readonly string[]> {
  const words: Promise<string>[] = [];
  for (let said = 0; said < WORDS_PER_ROUND; said++) {
    if (random() < 0.3) flap();
    const word = say(wish);
    words.push(
      word.then(
        () => '',
        (thrown: unknown) => toSteleError(thrown).code,
      ),
    );
    if (random() < 0.7) await pause(below(30));
  }
  const codes = await Promise.all(words);
  return codes.filter((code) => code !== '');
}

function reviveAll(): void {
  for (const node of plane.network.nodes.values()) if (!node.alive) node.restart();
}

test(`the last of ${ROUNDS * WORDS_PER_ROUND} words wins, whatever the loops write meanwhile`, async () => {
  await plane.load(KEYSPACE);
  const { ids, uid } = await plane.load(KEYSPACE);
  const { metadata } = plane;
  const desired = () => {
    const found = plane.leader.catalog.state.keyspace.get(asUid(uid))?.desired;
    // What was never asked for, or is the default again, is absent.
    const { keep = KEEP_DEFAULT, replication = 0, suspended = false } = found ?? {};
    return found && { ...found, keep, replication, suspended };
  };
  const wish: Wish = { suspended: false, replication: 0, keep: 2 };
  for (let round = 0; round < ROUNDS; round++) {
    expect(await sayMany(wish)).toEqual([]);
    expect(desired()).toMatchObject(wish);
    const answered = metadata.written.length;
    reviveAll();
    const state = wish.suspended ? 'SUSPENDED' : 'RUNNING';
    await until(() => plane.leader.observed(uid)?.state === state, state);
    await until(() => plane.leader.health.status === HealthStatus.GREEN, 'green');
    const copies = wish.replication || 2;
    await until(() => plane.replicas(uid, ids) === copies, `${copies} copies`);
    // From here on only loops have written, and nothing of the desired state.
    expect(desired()).toMatchObject(wish);
    const byLoops = metadata.written.slice(answered);
    expect(byLoops.filter((key) => key.startsWith('keyspace/'))).toEqual([]);
  }
  // They did write beside the words.
  expect(metadata.written.filter((key) => key === `observed/${uid}`).length).toBeGreaterThan(
    ROUNDS,
  );
});

test('a drop among other words is the last word: nothing brings the keyspace back', async () => {
  const { uid } = await plane.load(KEYSPACE);
  await plane.load('other');
  const wish: Wish = { suspended: false, replication: 0, keep: 2 };
  const before = sayMany(wish);
  await pause(below(100));
  await plane.operations.dropKeyspace({ keyspace: KEYSPACE });
  const refusals = await before;
  expect(refusals.length).toBeGreaterThan(0);
  expect(new Set(refusals)).toEqual(new Set(['KEYSPACE_NOT_FOUND']));
  reviveAll();
  const { catalog } = plane.leader;
  await until(() => !catalog.state.keyspace.has(asUid(uid)), 'the record is gone');
  expect([...catalog.state.observed.keys()]).not.toContain(uid);
  for (const { segments } of plane.network.nodes.values()) {
    expect([...segments.keys()].filter((name) => name.startsWith(uid))).toEqual([]);
  }
  expect(plane.leader.current().keyspaces).toMatchObject([{ name: 'other' }]);
});
