import { expect, onTestFinished, test } from 'vitest';
import { systemTime } from '../../../base/clock.ts';
import { grpcPeers } from '../../../master/candidate/peers.ts';
import { NOTHING_KNOWN, ViewFeed } from '../../../master/candidate/view-feed.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { startViews } from '../../support/peers/masters.ts';
import { until } from '../../support/process/stele-process.ts';

const viewOf = (epoch: number, revision: number): ClusterView => ({
  ...NOTHING_KNOWN,
  epoch,
  revision,
  ready: true,
});

test('takes the views of the leader that it follows, and keeps the last while there is none', async () => {
  const feed = new ViewFeed();
  onTestFinished(() => feed.close());
  const first = await startViews(viewOf(1, 5));
  feed.follow(first.address);
  await until('its view', () => feed.current().revision === 5);
  expect(feed.silentSince()).toBeUndefined();
  await first.close();
  feed.follow(undefined);
  expect(feed.current()).toMatchObject({ epoch: 1, revision: 5 });
  const since = feed.silentSince();
  expect(since).toMatch(/Z$/);
  const second = await startViews(viewOf(2, 1));
  feed.follow(second.address);
  expect(feed.silentSince()).toBe(since);
  await until('the view of the next epoch', () => feed.current().epoch === 2);
  expect(feed.silentSince()).toBeUndefined();
});

test('its view is outdated when a leader that exists cannot be reached for a while', async () => {
  let nowMs = 0;
  const feed = new ViewFeed(grpcPeers(), { ...systemTime, nowMs: () => nowMs });
  onTestFinished(() => feed.close());
  expect(feed.isCurrent()).toBe(true);
  feed.follow('127.0.0.1:1');
  expect(feed.isCurrent()).toBe(true);
  nowMs += 11_000;
  expect(feed.isCurrent()).toBe(false);
  feed.follow(undefined);
  expect(feed.isCurrent()).toBe(true);
  const leader = await startViews(viewOf(1, 1));
  feed.follow(leader.address);
  await until('its view', () => feed.current().revision === 1);
  nowMs += 11_000;
  expect(feed.isCurrent()).toBe(true);
  await leader.close();
  await until('the loss to be noticed', () => {
    nowMs += 11_000;
    return !feed.isCurrent();
  });
});
