// Events after a number, and waiting for the next one.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { ControlPlane } from '../control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  await plane.join('a', 'b');
  await plane.load('prices');
});
afterEach(() => plane.close());

const list = (request: { after?: number; waitMs?: number; keyspace?: string; limit?: number }) =>
  plane.operations.listEvents({ keyspace: '', limit: 0, ...request });

test('after a number the events come oldest first, a page at a time', async () => {
  const all = await list({});
  const numbers = all.events.map(({ number }) => number);
  expect(numbers).toEqual(numbers.toSorted((left, right) => right - left));
  expect(all).toMatchObject({ oldest: 1, newest: numbers[0] });
  const page = await list({ after: 2, limit: 2 });
  expect(page.events.map(({ number }) => number)).toEqual([3, 4]);
  const last = await list({ after: all.newest - 1 });
  expect(last.events.map(({ number }) => number)).toEqual([all.newest]);
});

test('a question may wait for the next event, of any keyspace', async () => {
  const { newest } = await list({});
  const waiting = list({ after: newest, waitMs: 30_000 });
  await plane.operations.setKeep({ keyspace: 'prices', keep: 5 });
  expect((await waiting).events).toMatchObject([{ number: newest + 1, what: 'keep', to: '5' }]);
  // Of another keyspace: it is answered as well, so that the question goes on after that number.
  await plane.load('geo');
  const after = (await list({})).newest;
  const other = list({ after, waitMs: 30_000, keyspace: 'geo' });
  await plane.operations.setKeep({ keyspace: 'prices', keep: 6 });
  expect(await other).toMatchObject({ events: [], newest: after + 1 });
});

test('it does not wait where something has happened, or the number is of a newer catalog', async () => {
  const { newest } = await list({});
  expect((await list({ after: newest - 1, waitMs: 30_000 })).events).toHaveLength(1);
  expect(await list({ after: newest + 7, waitMs: 30_000 })).toMatchObject({ events: [], newest });
});

test('the wait ends in time, and when its caller has gone', async () => {
  const { newest } = await list({});
  expect((await list({ after: newest, waitMs: 10 })).events).toEqual([]);
  const gone = new AbortController();
  const request = { keyspace: '', limit: 0, after: newest, waitMs: 30_000 };
  const waiting = plane.operations.listEvents(request, gone.signal);
  gone.abort();
  expect((await waiting).events).toEqual([]);
});
