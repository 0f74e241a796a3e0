import { versionId } from '../../../master/catalog/records.ts';
import { assert, commands, modelRun, property, constant, integer, oneof } from 'fast-check';
import type { Command } from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { cancelLoad } from '../../../master/catalog/load-transitions.ts';
import { keptVersions, versionsOf } from '../../../master/catalog/queries.ts';
import {
  dropVersion,
  forgetVersions,
  promote,
  rollback,
  setKeep,
  versionBefore,
} from '../../../master/catalog/version-transitions.ts';
import { requireKeyspace } from '../../../master/catalog/queries.ts';
import { CatalogHistory, COPIES, KEYSPACE } from './catalog-history.ts';

let history: CatalogHistory;
beforeEach(() => {
  history = new CatalogHistory();
});

const back = (to = 0) => history.run((state) => rollback(state, KEYSPACE, to));
const live = (to: number) => history.run((state) => promote(state, KEYSPACE, to, COPIES));
const drop = (number: number) => history.run((state) => dropVersion(state, KEYSPACE, number));
const keep = (count: number) => history.run((state) => setKeep(state, KEYSPACE, count));
const code = (name: string) => expect.objectContaining({ code: name });

describe('a commit', () => {
  test('keeps the version before, and retires what is older', () => {
    for (let load = 0; load < 3; load++) history.load();
    expect(history.current).toBe(3);
    expect(history.versions()).toBe('1 RETIRED, 2 COMMITTED, 3 COMMITTED');
  });

  test('keeps the version that was current, and not the one that was rolled back from', () => {
    for (let load = 0; load < 3; load++) history.load();
    back();
    history.load();
    expect(history.versions()).toBe('1 RETIRED, 2 COMMITTED, 3 RETIRED, 4 COMMITTED');
    expect(back()).toMatchObject({ from: 4, to: 2 });
  });

  test('of a load that began before a rollback becomes current all the same', () => {
    history.load();
    history.load();
    const load = history.begin();
    back();
    expect(history.settle(load, 'new')).toMatchObject({ number: 3, follows: 1 });
    expect(history.current).toBe(3);
    expect(history.versions()).toBe('1 COMMITTED, 2 RETIRED, 3 COMMITTED');
  });

  test('sets how many are kept, and only if it is made', () => {
    for (let load = 0; load < 2; load++) history.load();
    history.load(1, { keep: 5 });
    expect(requireKeyspace(history.state, KEYSPACE).desired.keep).toBeUndefined();
    for (let load = 0; load < 4; load++) history.load(100, { keep: 4 });
    expect(keptVersions(history.state, history.uid).map(({ number }) => number)).toEqual([
      4, 5, 6, 7,
    ]);
    expect(() => history.load(100, { keep: 1 })).toThrow(code('INVALID_ARGUMENT'));
  });
});

describe('a failed gate', () => {
  test('keeps the version as rejected, with its reason, and the current one as it is', () => {
    history.load();
    const rejected = history.load(49);
    expect(rejected).toMatchObject({ number: 2, state: 'REJECTED' });
    expect(rejected.rejection).toMatch(/^it has 49 rows, 51% fewer than the 100 of version 1/);
    expect(history.current).toBe(1);
    expect([...history.state.load.values()].at(-1)).toMatchObject({
      state: 'REJECTED',
      version: 2,
      reason: rejected.rejection,
      endedAt: '2026-01-03',
    });
    expect(history.state.manifest.has(versionId(history.uid, 2))).toBe(true);
  });

  test('is measured against what is current at that moment', () => {
    history.load(1000);
    history.load(100, { keep: 0, gate: noGate() });
    const load = history.begin();
    back();
    expect(history.settle(load, 'new', 100)).toMatchObject({ state: 'REJECTED' });
    live(2);
    expect(history.load(100)).toMatchObject({ state: 'COMMITTED', number: 4 });
  });

  test('gives the same content the same number, and lets it pass when it may', () => {
    history.load();
    expect(history.load(10, {}, 'half')).toMatchObject({ number: 2, state: 'REJECTED' });
    expect(history.load(10, {}, 'half')).toMatchObject({ number: 2, state: 'REJECTED' });
    expect(history.load(10, { gate: noGate() }, 'half')).toMatchObject({
      number: 2,
      state: 'COMMITTED',
    });
    expect(history.versions()).toBe('1 COMMITTED, 2 COMMITTED');
    expect(history.load().number).toBe(3);
  });

  test('after other content burns no number that was rejected', () => {
    history.load();
    const load = history.begin();
    expect(history.reserve(load, 'never committed')).toBe(2);
    expect(history.settle(load, 'half', 10)).toMatchObject({ number: 3, state: 'REJECTED' });
    expect(history.load().number).toBe(4);
    expect(history.versions()).toBe('1 COMMITTED, 2 BURNT, 3 RETIRED, 4 COMMITTED');
  });

  test('keeps as many rejected versions as committed ones; the next commit takes them all', () => {
    history.load();
    for (let load = 0; load < 4; load++) history.load(10);
    expect(history.versions()).toBe('1 COMMITTED, 2 RETIRED, 3 RETIRED, 4 REJECTED, 5 REJECTED');
    history.load();
    expect(history.versions()).toMatch(/4 RETIRED, 5 RETIRED, 6 COMMITTED$/);
  });

  test('leaves nothing visible of a load that was cancelled meanwhile', () => {
    const load = history.begin();
    const number = history.reserve(load, 'content');
    history.run((state) => cancelLoad(state, load, { reason: 'by hand', nowIso: '' }));
    expect(() => history.settle(load, 'content', 100, {}, number)).toThrow(code('LOAD_REJECTED'));
    expect(() => history.current).toThrow('There is no keyspace');
  });
});

describe('a promote', () => {
  test('puts a rejected version live, and can be taken back', () => {
    history.load();
    history.load(10);
    expect(live(2)).toMatchObject({ from: 1, to: 2 });
    expect(history.versions()).toBe('1 COMMITTED, 2 COMMITTED');
    expect(history.state.version.get(versionId(history.uid, 2))).not.toHaveProperty('rejection');
    expect(back()).toMatchObject({ from: 2, to: 1 });
  });

  test('of a first version that was rejected makes the keyspace run', () => {
    expect(history.load(10, { gate: { ...noGate(), minRows: 11 } }).state).toBe('REJECTED');
    expect(requireKeyspace(history.state, KEYSPACE).state).toBe('INITIALIZING');
    live(1);
    expect(requireKeyspace(history.state, KEYSPACE)).toMatchObject({
      state: 'RUNNING',
      desired: { currentVersion: 1 },
    });
  });

  test('of an older version: a rollback goes back to what was current before', () => {
    keepThree();
    expect(live(1)).toMatchObject({ from: 3, to: 1 });
    expect(back()).toMatchObject({ from: 1, to: 3 });
  });

  test('of what is not kept says what is', () => {
    for (let load = 0; load < 3; load++) history.load();
    expect(() => live(1)).toThrow(/has no version 1 to put live \(it keeps 2, 3\)/);
    expect(() => live(9)).toThrow(code('VERSION_NOT_FOUND'));
    expect(live(3)).toMatchObject({ from: 3, to: 3 });
    expect(versionBefore(history.state, requireKeyspace(history.state, KEYSPACE))).toBe(2);
  });
});

describe('a rollback', () => {
  test('again goes further back, as far as versions are kept', () => {
    keepThree();
    expect([back().to, back().to]).toEqual([2, 1]);
    expect(() => back()).toThrow(
      /has no version before 1 to roll back to \(it keeps 1, 2, 3; `stele promote/,
    );
    expect(back(3)).toMatchObject({ from: 1, to: 3 });
  });

  test('to a rejected version is refused, with the way to do it', () => {
    history.load();
    history.load(10);
    expect(() => back(2)).toThrow(
      /no version 2 to roll back to \(it keeps 1; version 2 was rejected, `stele promote prices 2`/,
    );
  });
});

describe('keeping and dropping', () => {
  test('fewer retires the oldest, and never the current version or the one before it', () => {
    history.load(100, { keep: 5 });
    for (let load = 0; load < 4; load++) history.load();
    expect(keep(3)).toEqual([1, 2]);
    live(3);
    expect(keep(2)).toEqual([4]);
    expect(history.versions()).toMatch(/3 COMMITTED, 4 RETIRED, 5 COMMITTED$/);
    for (const count of [0, 1, 101, 2.5]) {
      expect(() => keep(count)).toThrow(code('INVALID_ARGUMENT'));
    }
  });

  test('drops any version by hand but the current one', () => {
    history.load();
    history.load();
    history.load(10);
    expect(() => drop(2)).toThrow(code('CONFLICT'));
    drop(3);
    drop(1);
    expect(history.versions()).toBe('1 RETIRED, 2 COMMITTED, 3 RETIRED');
    expect(() => drop(3)).toThrow(code('VERSION_NOT_FOUND'));
    expect(() => back()).toThrow(code('VERSION_NOT_FOUND'));
  });

  test('forgets only what has left', () => {
    history.load();
    history.load(10);
    for (const number of [1, 2]) {
      history.run((state) => forgetVersions(state, [{ uid: history.uid, version: number }]));
    }
    expect(history.versions()).toBe('1 COMMITTED, 2 REJECTED');
    drop(2);
    history.run((state) => forgetVersions(state, [{ uid: history.uid, version: 2 }]));
    expect(history.versions()).toBe('1 COMMITTED, 2 DELETED');
    expect(history.state.manifest.has(versionId(history.uid, 2))).toBe(false);
  });
});

test('a thousand versions are forgotten at once; the last few stay listed', () => {
  for (let count = 0; count < 40; count++) history.load();
  const refs = Array.from({ length: 38 }, (_, at) => ({ uid: history.uid, version: at + 1 }));
  history.run((state) => forgetVersions(state, refs.slice(0, 20)));
  history.run((state) => forgetVersions(state, refs));
  expect(versionsOf(history.state, history.uid).map(({ number }) => number)).toEqual([
    29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
  ]);
  expect(history.state.manifest.size).toBe(2);
});

test('a rollback that can go no further says how to go forward', () => {
  history.load();
  history.load();
  back();
  expect(() => back()).toThrow(/no version before 1.*stele promote prices 2/);
});

function noGate() {
  return {
    expectRows: undefined,
    expectTolerance: 0,
    minRows: undefined,
    maxShrink: undefined,
    requireKeys: [],
  };
}

function keepThree(): void {
  for (let load = 0; load < 3; load++) history.load(100, { keep: 3 });
}

/** Any sequence of actions of people and loads. */
type Step = Command<object, CatalogHistory>;

function step(name: string, run: (on: CatalogHistory) => void): Step {
  return {
    check: () => true,
    toString: () => name,
    run: (_model, on) => {
      const before = on.current;
      const pinned = versionBefore(on.state, requireKeyspace(on.state, KEYSPACE));
      try {
        run(on);
      } catch {
        // Refused: nothing has changed, which the checks below see too.
      }
      checkInvariants(on);
      // What was current is kept by whatever makes another version current.
      const kept = keptVersions(on.state, on.uid).map(({ number }) => number);
      expect(kept).toContain(before);
      if (on.current === before && !name.startsWith('drop') && pinned !== undefined) {
        expect(kept).toContain(pinned);
      }
    },
  };
}

function checkInvariants(on: CatalogHistory): void {
  const { desired } = requireKeyspace(on.state, KEYSPACE);
  const versions = versionsOf(on.state, on.uid);
  expect(versions.find(({ number }) => number === desired.currentVersion)?.state).toBe('COMMITTED');
  const rejected = versions.filter(({ state }) => state === 'REJECTED');
  expect(rejected.length).toBeLessThanOrEqual(Math.max(2, desired.keep ?? 2));
  for (const { number, state } of versions) {
    const isHeld = state === 'COMMITTED' || state === 'REJECTED' || state === 'RETIRED';
    expect(on.state.manifest.has(versionId(on.uid, number))).toBe(isHeld);
  }
}

test('whatever is done, the current version is there, and so is the one it replaced', () => {
  const number = integer({ min: 1, max: 9 });
  const steps = [
    oneof(constant(100), constant(10)).map((rows) =>
      step(`load ${rows}`, (on) => void on.load(rows)),
    ),
    integer({ min: 0, max: 9 }).map((to) =>
      step(`rollback ${to}`, (on) => void on.run((state) => rollback(state, KEYSPACE, to))),
    ),
    number.map((to) =>
      step(`promote ${to}`, (on) => void on.run((state) => promote(state, KEYSPACE, to, COPIES))),
    ),
    number.map((to) =>
      step(`drop ${to}`, (on) => on.run((state) => dropVersion(state, KEYSPACE, to))),
    ),
    integer({ min: 1, max: 4 }).map((count) =>
      step(`keep ${count}`, (on) => void on.run((state) => setKeep(state, KEYSPACE, count))),
    ),
  ];
  assert(
    property(commands(steps, { maxCommands: 30 }), (sequence) => {
      const real = new CatalogHistory();
      real.load();
      modelRun(() => ({ model: {}, real }), sequence);
    }),
    { numRuns: 300 },
  );
});
