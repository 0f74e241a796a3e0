import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeClient, swapTo } from './fake-parts.ts';
import type { FakeClient } from './fake-parts.ts';

let fake: FakeClient;

beforeEach(() => {
  fake = fakeClient();
});

afterEach(() => fake.client.close());

describe('watch', () => {
  it('yields the current version, then each change, also a rollback', async () => {
    const watch = fake.client.watch('default');
    expect((await watch.next()).value).toEqual({ keyspace: 'default', version: 1, previous: 0 });
    const second = watch.next();
    await new Promise(setImmediate);
    swapTo(fake.cluster, 2);
    expect((await second).value).toEqual({ keyspace: 'default', version: 2, previous: 1 });
    swapTo(fake.cluster, 1);
    expect((await watch.next()).value).toEqual({ keyspace: 'default', version: 1, previous: 2 });
  });

  it('yields only the newest to a slow consumer, and nothing for a view without a change', async () => {
    const watch = fake.client.watch('default');
    await watch.next();
    for (let version = 2; version <= 9; version++) swapTo(fake.cluster, version);
    expect((await watch.next()).value).toMatchObject({ version: 9, previous: 1 });
    let reported = false;
    const next = watch.next().then((result) => {
      reported = true;
      return result;
    });
    await new Promise(setImmediate);
    fake.cluster.change(() => undefined);
    await new Promise(setImmediate);
    expect(reported).toBe(false);
    swapTo(fake.cluster, 10);
    expect((await next).value).toMatchObject({ version: 10 });
  });

  it('yields that a keyspace is gone, and that one of that name exists again', async () => {
    const watch = fake.client.watch('default');
    await watch.next();
    const { keyspaces } = fake.cluster.current();
    fake.cluster.change((view) => (view.keyspaces = []));
    expect((await watch.next()).value).toMatchObject({ version: 0, previous: 1 });
    fake.cluster.change(
      (view) => (view.keyspaces = keyspaces.map((one) => ({ ...one, uid: 'b' }))),
    );
    expect((await watch.next()).value).toMatchObject({ version: 1, previous: 0 });
  });

  it('releases everything when it is left or cancelled', async () => {
    const before = fake.views.listeners;
    for await (const { version } of fake.client.watch('default')) {
      expect(version).toBe(1);
      expect(fake.views.listeners).toBe(before + 1);
      break;
    }
    expect(fake.views.listeners).toBe(before);
    const controller = new AbortController();
    const watch = fake.client.watch('default', { signal: controller.signal });
    await watch.next();
    const next = watch.next();
    await new Promise(setImmediate);
    controller.abort();
    await expect(next).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(fake.views.listeners).toBe(before);
  });
});
