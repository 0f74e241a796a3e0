import { describe, expect, it } from 'vitest';
import { formatReport } from '../../../cli/top/frame.ts';
import { reportOf } from '../../../cli/top/rates.ts';
import type { Sample } from '../../../cli/top/rates.ts';
import { NodeState } from '../../../proto/gen/stele/v1/view.ts';

interface Counts {
  readonly found: number;
  readonly notFound?: number;
  readonly latency?: number[];
  readonly incarnation?: string;
}

function counters({ found, latency = [], notFound = 0 }: Counts) {
  const reads = { found, notFound, valueBytes: found * 10, cacheHits: 0 };
  return {
    ...reads,
    failed: 0,
    latency,
    keyspaces: [
      {
        ...{ keyspaceUid: 'u', keyspace: 'prices', ...reads },
        ...{ diskCacheHits: found / 2, diskCacheMisses: notFound },
      },
    ],
  };
}

function sample(atMs: number, nodes: Record<string, Counts>, cacheHits = 0): Sample {
  const zeros = {
    segmentBytes: 1,
    memoryLimitBytes: 0,
    diskFreeBytes: 0,
    diskTierBytes: 0,
    ...{ indexBytes: 0, cacheBytes: 0, accountedBytes: 0 },
    lookupsTotal: 0,
  };
  const more = { silentMs: 0, trouble: '', weight: 1, drainLeft: 0, viewLag: 0, virtualNodes: 1 };
  const address = { host: '', httpPort: 0, respPort: 0, grpcPort: 0 };
  const own = counters({ found: 2 * cacheHits });
  return {
    atMs,
    nodes: Object.keys(nodes).map((id, at) => ({
      node: { id, incarnation: '', state: NodeState.SERVING, zone: '', address },
      ...{ ...zeros, ...more, residentBytes: at, replicas: 1, progress: 1 },
    })),
    counters: {
      nodes: Object.entries(nodes).map(([nodeId, of]) => ({
        ...{ nodeId, incarnation: of.incarnation ?? 'a', trouble: '', counters: counters(of) },
      })),
      own: {
        ...own,
        cacheHits,
        keyspaces: [
          { keyspaceUid: '', keyspace: 'prices', found: 0, notFound: 0, valueBytes: 0, cacheHits },
        ],
      },
    },
  };
}

describe('reportOf', () => {
  it('has the rates between two samples, by datanode and by keyspace', () => {
    const before = sample(1000, { a: { found: 100, latency: [100] }, b: { found: 5 } });
    const now = sample(
      3000,
      { a: { found: 400, notFound: 100, latency: [300, 0, 0, 0, 200] }, b: { found: 5 } },
      40,
    );
    const { front, keyspaces, nodes, spanMs } = reportOf(before, now);
    expect(spanMs).toBe(2000);
    expect(nodes).toMatchObject([
      { name: 'a', readsPerSecond: 200, hitRatio: 0.75, valueBytesPerSecond: 1500, p50Ms: 0.05 },
      { name: 'b', readsPerSecond: 0, hitRatio: undefined, p50Ms: undefined },
    ]);
    expect(nodes[0]?.p99Ms).toBeCloseTo(0.1);
    expect(keyspaces).toMatchObject([
      { name: 'prices', readsPerSecond: 220, hitRatio: 340 / 440, cacheHitsPerSecond: 20 },
    ]);
    // 150 of 250 records; the master has no disk tier.
    expect(keyspaces[0]?.diskCacheRatio).toBe(0.6);
    expect(front).toMatchObject({ readsPerSecond: 40, cacheHitsPerSecond: 20 });
  });

  it('has no rates of a datanode that has started again, or is new', () => {
    const before = sample(1000, { a: { found: 1000 } });
    const now = sample(2000, { a: { found: 3, incarnation: 'b' }, b: { found: 3 } });
    const { keyspaces, nodes } = reportOf(before, now);
    expect(nodes.map(({ readsPerSecond }) => readsPerSecond)).toEqual([undefined, undefined]);
    expect(keyspaces).toMatchObject([{ readsPerSecond: 0, diskCacheRatio: undefined }]);
  });
});

it('is sorted by name, or the largest first', () => {
  const before = sample(0, { 'n-2': { found: 0 }, 'n-10': { found: 0 } });
  const report = reportOf(before, sample(1000, { 'n-2': { found: 1 }, 'n-10': { found: 2 } }));
  const plain = (_style: string, text: string): string => text;
  const names = (sort: 'name' | 'reads' | 'memory') =>
    [...formatReport(report, sort, plain).matchAll(/^n-[0-9]+/gm)].map(([name]) => name);
  expect(names('name')).toEqual(['n-2', 'n-10']);
  expect(names('reads')).toEqual(['n-10', 'n-2']);
  expect(names('memory')).toEqual(['n-10', 'n-2']);
  expect(formatReport(report, 'name', plain)).toMatch(/^datanodes {2}3 keys\/s\n/);
});
