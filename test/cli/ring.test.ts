import { describe, expect, it } from 'vitest';
import { spreadOf } from '../../cli/verbs/ring.ts';

describe('spreadOf', () => {
  it('counts first owners and replicas by node, in the order of their names', () => {
    const shards = [
      { owners: ['node-10', 'node-2'] },
      { owners: ['node-2', 'node-10'] },
      { owners: ['node-2', 'node-1'] },
    ];
    expect(spreadOf(shards)).toEqual([
      { node: 'node-1', first: 0, replicas: 1, ofMean: 0.5 },
      { node: 'node-2', first: 2, replicas: 3, ofMean: 1.5 },
      { node: 'node-10', first: 1, replicas: 2, ofMean: 1 },
    ]);
  });

  it('is empty without owners', () => {
    expect(spreadOf([{ owners: [] }])).toEqual([]);
  });
});
