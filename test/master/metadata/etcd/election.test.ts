import { afterEach, describe, expect, test } from 'vitest';
import { sleep, systemTime, wallClockIso } from '../../../../base/clock.ts';
import { SteleError } from '../../../../base/errors.ts';
import { silentLogger } from '../../../../base/log.ts';
import { Election, LeaderLease } from '../../../../master/metadata/etcd/election.ts';
import type { LeaderInfo } from '../../../../master/metadata/etcd/election.ts';
import { MemoryEtcd } from '../../../../master/metadata/etcd/memory-etcd.ts';
import type { CallFate } from '../../../../master/metadata/etcd/memory-etcd.ts';
import { until } from '../../../support/process/stele-process.ts';
import { layout } from './leading.ts';

const TTL_SECONDS = 0.4;
const WHY = new SteleError('UNAVAILABLE', 'It was asked to.');
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** A candidate that stands again whenever its lead has ended. */
class Stander {
  readonly name: string;
  readonly seen: (string | undefined)[] = [];
  readonly client;
  readonly election: Election;
  lease: LeaderLease | undefined;
  terms = 0;

  constructor(store: MemoryEtcd, name: string, fateOf?: () => CallFate) {
    this.name = name;
    this.client = store.connect(fateOf);
    const stop = new AbortController();
    stops.push(stop);
    this.election = new Election({
      api: this.client,
      layout,
      id: name,
      address: `${name}:8400`,
      ttlSeconds: TTL_SECONDS,
      time: systemTime,
      nowIso: wallClockIso,
      log: silentLogger,
      onLeader: (leader: LeaderInfo | undefined) => this.seen.push(leader?.id),
    });
    void this.#run(stop.signal);
  }

  get leads(): boolean {
    return this.lease?.isValid() === true;
  }

  async #run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const lease = await this.election.campaign(stop);
      if (lease === undefined) return;
      stop.addEventListener('abort', () => lease.end(WHY));
      this.lease = lease;
      this.terms++;
      await new Promise((resolve) => lease.ended.addEventListener('abort', resolve));
      // As a master that gives up what it can still reach.
      await lease.resign(WHY).catch(() => undefined);
    }
  }
}

const leadersOf = (all: readonly Stander[]): string[] =>
  all.filter(({ leads }) => leads).map(({ name }) => name);

function threeOn(store: MemoryEtcd, fateOf?: () => CallFate): Stander[] {
  return ['a', 'b', 'c'].map((name) => new Stander(store, name, fateOf));
}

describe('an election', () => {
  test('has one winner, whom all others see', async () => {
    const all = threeOn(new MemoryEtcd(systemTime));
    await until('a leader', () => leadersOf(all).length === 1);
    const [leader] = leadersOf(all);
    await until('all to see it', () => all.every(({ seen }) => seen.at(-1) === leader));
    await sleep(3 * TTL_SECONDS * 1000);
    expect(leadersOf(all)).toEqual([leader]);
    expect(all.reduce((sum, { terms }) => sum + terms, 0)).toBe(1);
  });

  test('a leader that is cut off no longer leads when the next one does', async () => {
    const all = threeOn(new MemoryEtcd(systemTime));
    await until('a leader', () => leadersOf(all).length === 1);
    const first = all.find(({ leads }) => leads)!;
    const { lease } = first;
    first.client.isReached = false;
    await until('another leader', () => all.some((each) => each !== first && each.leads));
    expect(lease!.isValid()).toBe(false);
    first.client.isReached = true;
    const next = all.find(({ leads }) => leads)!;
    await until('the first to follow', () => first.seen.at(-1) === next.name);
    expect(next.lease!.fence.createRevision).toBeGreaterThan(lease!.fence.createRevision);
  });

  test('a leader that steps down lets another one lead', async () => {
    const all = threeOn(new MemoryEtcd(systemTime));
    await until('a leader', () => leadersOf(all).length === 1);
    const first = all.find(({ leads }) => leads)!;
    first.election.abstain();
    await first.lease!.resign(WHY);
    await until('another leader', () => leadersOf(all).length === 1);
    expect(first.leads).toBe(false);
  });

  test('a leader whose key was deleted by hand gives up', async () => {
    const store = new MemoryEtcd(systemTime);
    const all = threeOn(store);
    await until('a leader', () => leadersOf(all).length === 1);
    const { lease } = all.find(({ leads }) => leads)!;
    store.transaction({ compares: [], success: [{ kind: 'delete', key: layout.leader }] });
    await until('it to give up', () => lease!.ended.aborted);
    await until('a leader', () => leadersOf(all).length === 1);
  });

  test('a leader whose lease outlives its leadership gives it up when it reaches etcd again', async () => {
    const store = new MemoryEtcd(systemTime);
    const only = new Stander(store, 'a');
    await until('a leader', () => only.leads);
    const { lease: first } = only;
    const [entry] = (await only.client.range(layout.leader)).entries;
    // etcd does so itself when it starts again, or has a new leader among its members.
    const extended = setInterval(() => void store.keepAlive(entry!.lease), 50);
    stops.push(Object.assign(new AbortController(), { abort: () => clearInterval(extended) }));
    only.client.isReached = false;
    await until('it to give up', () => first!.ended.aborted);
    only.client.isReached = true;
    await until('it to lead again', () => only.leads && only.lease !== first);
  });

  test('a lease says why no change may begin', () => {
    let nowMs = 0;
    const time = { ...systemTime, nowMs: () => nowMs };
    const fence = { key: layout.leader, createRevision: 1 };
    const lease = new LeaderLease(fence, 10_000, time, () => Promise.resolve());
    nowMs = 1_000;
    lease.asked(nowMs);
    nowMs = 2_400;
    expect(lease.trouble).toBeUndefined();
    lease.asked(nowMs);
    nowMs = 2_500;
    expect(lease.trouble?.message).toMatch(/^etcd does not answer the leader/);
    lease.renew(11_000);
    expect(lease.trouble).toBeUndefined();
    nowMs = 11_000;
    expect(lease.trouble?.message).toMatch(/could not renew its lease in time/);
    lease.end(WHY);
    expect(lease.trouble).toBe(WHY);
  });

  test('never has two leaders, whichever calls fail, are lost or have their answers lost', async () => {
    const fates: CallFate[] = ['refused', 'lost before', 'lost after'];
    const failing = (): CallFate =>
      Math.random() < 0.3 ? fates[Math.floor(Math.random() * fates.length)]! : 'answered';
    const store = new MemoryEtcd(systemTime);
    const all = threeOn(store, failing);
    for (let turn = 0; turn < 120; turn++) {
      expect(leadersOf(all).length).toBeLessThanOrEqual(1);
      for (const { client } of all) if (Math.random() < 0.02) client.isReached = !client.isReached;
      if (turn % 20 === 19) store.compact();
      await sleep(10);
    }
    for (const { client } of all) client.isReached = true;
    await until('a leader', () => leadersOf(all).length === 1);
  });
});
