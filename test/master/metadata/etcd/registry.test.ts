// The list of running masters, with a clock on which three seconds pass in an instant.

import { afterEach, expect, test } from 'vitest';
import { systemTime } from '../../../../base/clock.ts';
import type { Time } from '../../../../base/clock.ts';
import { silentLogger } from '../../../../base/log.ts';
import { keepListed, listedMasters } from '../../../../master/metadata/etcd/registry.ts';
import { MemoryEtcd } from '../../../../master/metadata/etcd/memory-etcd.ts';
import { until } from '../../../support/process/stele-process.ts';
import { layout } from './leading.ts';

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function start(store: MemoryEtcd, since: string) {
  const stop = new AbortController();
  stops.push(stop);
  let looks = 0;
  const after: Time['after'] = (_delayMs, callback) => {
    looks++;
    return systemTime.after(1, callback);
  };
  const errors: string[] = [];
  const log = { ...silentLogger, error: (_: unknown, text: string) => errors.push(text) };
  const listed = { address: 'a:8400', since };
  const options = { env: { ...systemTime, after }, log: log as never };
  const done = keepListed(store.connect(), layout, listed, options, stop.signal);
  const looked = async (more: number): Promise<void> => {
    const wanted = looks + more;
    await until('looks', () => looks >= wanted);
  };
  const end = (): Promise<void> => (stop.abort(), done);
  return { end, errors, looked, stop };
}

const sinceOf = async (store: MemoryEtcd): Promise<string[]> =>
  (await listedMasters(store.connect(), layout)).map(({ since }) => since);

test('one that was killed stays listed until its successor takes its place; one that ends does not', async () => {
  let nowMs = 0;
  const store = new MemoryEtcd({ ...systemTime, nowMs: () => nowMs });
  const killed = start(store, 'first');
  await killed.looked(2);
  // As if killed: it writes nothing more.
  const kept = store.state();
  await killed.end();
  expect(await sinceOf(store)).toEqual([]);
  store.restore(kept);
  nowMs += 60_000;
  expect(await sinceOf(store)).toEqual(['first']);
  const next = start(store, 'second');
  await next.looked(20);
  expect(await sinceOf(store)).toEqual(['second']);
  expect([killed.errors, next.errors]).toEqual([[], []]);
  nowMs += 600_000;
  await next.looked(3);
  expect(await sinceOf(store)).toEqual(['second']);
  await next.end();
  expect(await sinceOf(store)).toEqual([]);
});

test('two processes with one address are reported by both', async () => {
  const store = new MemoryEtcd(systemTime);
  const both = [start(store, 'first'), start(store, 'second')];
  for (const { errors } of both) await until('the report', () => errors.length === 1);
  expect(both[0]?.errors[0]).toMatch(/another master announces the address a:8400/);
});
