// Masters and members of etcd are killed and stopped at random moments of loads, appends, rollbacks
// and drops (row 28). The history of all of them is checked:
//
//     an acknowledged change is there for good; one that failed is there or not
//     versions never go back, except by a rollback
//     no version number has two contents
//     in the end all masters tell the same

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handOver } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { KEYSPACE, MastersFaults } from '../../support/faults/masters-faults.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { summaryOf } from '../../support/process/cluster.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';
import { postLookup } from '../../support/readers/sources.ts';

const TRIALS = SHORT ? 4 : 200;
/** Longer than a lease, and shorter. */
const STOP_MS = [1_500, 5_000] as const;
const MOMENT_MS_MAX = 1_500;
const SAMPLES = 50;
const random = seededRandom(SEED);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The tag of a content: what its rows were written with. */
interface Current {
  readonly version: number;
  readonly tag: number;
}

/** A change that failed, and may be there nevertheless. */
type Pending = { readonly kind: 'content'; readonly tag: number } | { readonly kind: 'rollback' };

let faults: MastersFaults;
let tag = 1;
let current: Current = { version: 1, tag: 1 };
let newest = 1;
const contents = new Map([[1, 1]]);
const pending: Pending[] = [];

/** What a master answers; undefined if it cannot. */
async function seenBy(at: number): Promise<Current | undefined> {
  const { host, http } = faults.cluster.masters[at]!;
  const { rows } = faults;
  const keys = Array.from({ length: SAMPLES }, () => rows.key(Math.floor(random() * rows.count)));
  const answer = await postLookup(`http://${host}:${http}`, KEYSPACE, keys).catch(() => undefined);
  if (answer === undefined) return undefined;
  const tags = new Set(keys.map((key, index) => rows.versionOf(key, answer.values[index])));
  expect(tags.size).toBe(1);
  const [found = 0] = tags;
  expect(found).toBeGreaterThan(0);
  return { version: answer.version, tag: found };
}

/** Whether that is, or may have become, the current version. */
function isPossible(seen: Current): boolean {
  if (seen.version === current.version) return seen.tag === current.tag;
  return pending.some((each) =>
    each.kind === 'rollback'
      ? seen.version < current.version && contents.get(seen.version) === seen.tag
      : each.tag === seen.tag && seen.version > newest,
  );
}

/** All masters have come to one possible answer, which is the current one from now on. */
async function settle(): Promise<void> {
  let seen: (Current | undefined)[] = [];
  const isOne = (): boolean => {
    const [first] = seen;
    const same = seen.every((each) => each?.version === first?.version && each?.tag === first?.tag);
    return first !== undefined && same && isPossible(first);
  };
  try {
    await until('all masters to tell the same, which may be', async () => {
      seen = await Promise.all([0, 1, 2].map(seenBy));
      return isOne();
    });
  } catch (thrown) {
    const state = JSON.stringify({ seen, current, newest, pending });
    throw new Error(`the history is broken: ${state}`, { cause: thrown });
  }
  note(seen[0]!);
}

function note(made: Current): void {
  expect(contents.get(made.version) ?? made.tag).toBe(made.tag);
  contents.set(made.version, made.tag);
  newest = Math.max(newest, made.version);
  current = made;
}

/** The change was acknowledged, and so what failed before it is over. */
function acknowledged(made: Current): string {
  pending.splice(0);
  note(made);
  return 'acknowledged';
}

const CHANGES = {
  load: () => content('replace'),
  append: () => content('append'),
  async rollback(): Promise<string> {
    const { cluster } = faults;
    try {
      const { version } = await cluster.ask((admin) =>
        admin.rollback({ keyspace: KEYSPACE, to: 0 }),
      );
      expect(version).toBeLessThan(newest + 1);
      return acknowledged({ version, tag: contents.get(version) ?? 0 });
    } catch (thrown) {
      pending.push({ kind: 'rollback' });
      return String(thrown);
    }
  },
  async drop(): Promise<string> {
    const name = `gone-${tag}`;
    const { cluster } = faults;
    const made = await cluster.load(name, faults.rows, 1);
    if (made.code !== 0) return made.stderr;
    const answer = await faults.change((admin) => admin.dropKeyspace(name));
    if (answer !== 'taken') return answer.message;
    dropped.push(name);
    return 'acknowledged';
  },
};
const dropped: string[] = [];

async function content(mode: string): Promise<string> {
  const own = ++tag;
  const flags = ['--mode', mode, '--output', 'json'];
  const { code, stderr, stdout } = await faults.cluster.load(KEYSPACE, faults.rows, own, flags);
  if (code === 0) return acknowledged({ version: summaryOf(stdout).version, tag: own });
  pending.push({ kind: 'content', tag: own });
  return stderr.trim().split('\n').at(-1) ?? '';
}

async function stopMaster(at: number): Promise<void> {
  await faults.avoid(at);
  const { pid } = faults.cluster.process(`master-${at}`);
  process.kill(pid, 'SIGSTOP');
  await pause(pick(STOP_MS));
  process.kill(pid, 'SIGCONT');
  await faults.followed(at);
}

async function killMaster(at: number): Promise<void> {
  await faults.end(at, 'SIGKILL');
  await pause(random() * 1_000);
  await faults.startAgain(at);
}

const leader = (): Promise<number> => faults.cluster.leader();
const follower = async (): Promise<number> => ((await leader()) + 1) % 3;

const FAULTS = {
  'the leader is killed': async () => killMaster(await leader()),
  'the leader is stopped': async () => stopMaster(await leader()),
  'a follower is killed': async () => killMaster(await follower()),
  'a follower is stopped': async () => stopMaster(await follower()),
  async 'a member of etcd is killed'() {
    const member = pick(faults.cluster.etcd.members);
    await member.kill();
    await pause(pick(STOP_MS));
  },
  async 'a member of etcd is stopped'() {
    pick(faults.cluster.etcd.members).signal('SIGSTOP');
    await pause(pick(STOP_MS));
  },
  async 'etcd is stopped'() {
    for (const member of faults.cluster.etcd.members) member.signal('SIGSTOP');
    await pause(pick(STOP_MS));
  },
};

describe.skipIf(!hasEtcd())('three masters on three members of etcd', () => {
  beforeAll(async () => {
    faults = await MastersFaults.start({ datanodes: 3, etcdMembers: 3 });
    await faults.cluster.ask((admin) => admin.setKeep(KEYSPACE, 20));
  }, 120_000);
  afterAll(() => faults?.close(), 60_000);

  test(`${TRIALS} random faults in changes: the history holds, and no read fails`, async () => {
    const reader = await faults.read('any version');
    const window = reader.begin();
    let acknowledgedCount = 0;
    // In turn, so that a short run has many.
    const kinds = Object.keys(FAULTS) as (keyof typeof FAULTS)[];
    const offset = Math.floor(random() * kinds.length);
    for (let trial = 0; trial < TRIALS; trial++) {
      const change = pick(Object.keys(CHANGES) as (keyof typeof CHANGES)[]);
      const fault = kinds[(offset + trial) % kinds.length]!;
      const changing = CHANGES[change]();
      await pause(random() * MOMENT_MS_MAX);
      await FAULTS[fault]();
      await faults.cluster.etcd.mend();
      const outcome = await changing;
      console.log(`  ${trial}: ${fault}, ${change}: ${outcome}`);
      if (outcome === 'acknowledged') acknowledgedCount++;
      for (const at of [0, 1, 2]) await faults.followed(at);
      await settle();
      for (const name of dropped) {
        const { keyspaces } = await faults.cluster.ask((admin) => admin.listKeyspaces());
        const left = keyspaces.find((each) => each.name === name);
        expect(left?.state ?? 'DELETING').toMatch(/^(?:DELETING|REPAIRING)$/);
      }
    }
    await reader.stop();
    expect(reader.failures).toEqual([]);
    const digests = await Promise.all([0, 1, 2].map((at) => faults.digest(KEYSPACE, at)));
    expect(new Set(digests).size).toBe(1);
    const { failed, reads } = window.report();
    handOver({
      row: '28',
      fault:
        'masters and members of etcd killed and stopped in loads, appends, rollbacks and drops',
      trials: TRIALS,
      ...{ reads, failed },
      seen: `${acknowledgedCount} acknowledged, and there for good; versions up to ${newest}, each with one content; one digest at all masters`,
    });
  });
});
