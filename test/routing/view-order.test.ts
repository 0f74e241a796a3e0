import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ViewOrder } from '../../routing/view-order.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';

const HOLD_MS = 1000;
let taken: string[];
let order: ViewOrder;

function view(epoch: number, revision: number, ready = true, clusterId?: string): ClusterView {
  const made = { ...new FakeCluster().current(), epoch, revision, ready };
  return clusterId === undefined ? made : { ...made, clusterId };
}

beforeEach(() => {
  vi.useFakeTimers();
  taken = [];
  order = new ViewOrder(({ epoch, revision }) => taken.push(`${epoch}.${revision}`), {
    holdMs: HOLD_MS,
  });
});

afterEach(() => {
  order.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('the order of views', () => {
  it('adopts newer views, and any first one', () => {
    order.offer(view(1, 3, false));
    order.offer(view(1, 4));
    order.offer(view(1, 5, false));
    order.offer(view(2, 1));
    expect(taken).toEqual(['1.3', '1.4', '1.5', '2.1']);
  });

  it('keeps its view while a new master learns of its datanodes', () => {
    order.offer(view(1, 9));
    order.offer(view(2, 1, false));
    order.offer(view(2, 2, false));
    expect(taken).toEqual(['1.9']);
    order.offer(view(2, 3));
    vi.advanceTimersByTime(2 * HOLD_MS);
    expect(taken).toEqual(['1.9', '2.3']);
  });

  it('adopts the newest held view if no better one arrives', () => {
    order.offer(view(1, 9));
    order.offer(view(2, 1, false));
    vi.advanceTimersByTime(HOLD_MS / 2);
    order.offer(view(2, 2, false));
    vi.advanceTimersByTime(HOLD_MS / 2);
    expect(taken).toEqual(['1.9', '2.2']);
  });

  it('does not return to an older view, unless there is no other', () => {
    order.offer(view(2, 9));
    order.offer(view(1, 5));
    order.offer(view(2, 9));
    vi.advanceTimersByTime(2 * HOLD_MS);
    expect(taken).toEqual(['2.9']);
    order.offer(view(1, 6));
    vi.advanceTimersByTime(HOLD_MS);
    expect(taken).toEqual(['2.9', '1.6']);
  });

  it('never returns to an older epoch of its cluster', () => {
    expect(order.offer(view(2, 9, true, 'c'))).toBe(true);
    expect(order.offer(view(1, 99, true, 'c'))).toBe(false);
    vi.advanceTimersByTime(2 * HOLD_MS);
    expect(order.offer(view(3, 1, true, 'c'))).toBe(true);
    expect(order.offer(view(2, 10, true, 'c'))).toBe(false);
    vi.advanceTimersByTime(2 * HOLD_MS);
    expect(taken).toEqual(['2.9', '3.1']);
  });

  it('never returns to an older revision of its term, however long a master lags', () => {
    order.offer(view(1, 5));
    expect(order.offer(view(1, 3))).toBe(true);
    vi.advanceTimersByTime(2 * HOLD_MS);
    order.offer(view(1, 6));
    expect(taken).toEqual(['1.5', '1.6']);
  });

  it('adopts the older epoch of another cluster, if there is no other', () => {
    order.offer(view(5, 1, true, 'old'));
    order.offer(view(1, 1, true, 'new'));
    vi.advanceTimersByTime(HOLD_MS);
    expect(taken).toEqual(['5.1', '1.1']);
  });

  it('keeps a new leader held while a replaced master still sends its views', () => {
    order.offer(view(1, 9, true, 'c'));
    order.offer(view(2, 1, false, 'c'));
    order.offer(view(1, 8, true, 'c'));
    vi.advanceTimersByTime(HOLD_MS);
    expect(taken).toEqual(['1.9', '2.1']);
  });
});
