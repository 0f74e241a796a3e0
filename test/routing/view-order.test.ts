import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ViewOrder } from '../../routing/view-order.ts';
import { FakeCluster } from '../master/front/fake-cluster.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';

const HOLD_MS = 1000;
let taken: string[];
let order: ViewOrder;

function view(epoch: number, revision: number, ready = true): ClusterView {
  return { ...new FakeCluster().current(), epoch, revision, ready };
}

beforeEach(() => {
  vi.useFakeTimers();
  taken = [];
  order = new ViewOrder(({ epoch, revision }) => taken.push(`${epoch}.${revision}`), HOLD_MS);
});

afterEach(() => {
  order.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('the order of views', () => {
  it('takes what is newer, the first one whatever it is', () => {
    order.offer(view(1, 3, false));
    order.offer(view(1, 4));
    order.offer(view(1, 5, false));
    order.offer(view(2, 1));
    expect(taken).toEqual(['1.3', '1.4', '1.5', '2.1']);
  });

  it('stays with what it has while a new master gets to know its datanodes', () => {
    order.offer(view(1, 9));
    order.offer(view(2, 1, false));
    order.offer(view(2, 2, false));
    expect(taken).toEqual(['1.9']);
    order.offer(view(2, 3));
    vi.advanceTimersByTime(2 * HOLD_MS);
    expect(taken).toEqual(['1.9', '2.3']);
  });

  it('takes the newest of what it held back when nothing better comes', () => {
    order.offer(view(1, 9));
    order.offer(view(2, 1, false));
    vi.advanceTimersByTime(HOLD_MS / 2);
    order.offer(view(2, 2, false));
    vi.advanceTimersByTime(HOLD_MS / 2);
    expect(taken).toEqual(['1.9', '2.2']);
  });

  it('does not go back to an older view, unless it is all there is', () => {
    order.offer(view(2, 9));
    order.offer(view(1, 5));
    order.offer(view(2, 9));
    vi.advanceTimersByTime(2 * HOLD_MS);
    expect(taken).toEqual(['2.9']);
    order.offer(view(1, 6));
    vi.advanceTimersByTime(HOLD_MS);
    expect(taken).toEqual(['2.9', '1.6']);
  });
});
