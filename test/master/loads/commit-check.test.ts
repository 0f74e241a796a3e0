import { segmentId } from '../../../base/segment-name.ts';
import { describe, expect, test } from 'vitest';
import type { SteleError } from '../../../base/errors.ts';
import { segmentRecord } from '../../../master/catalog/messages.ts';
import {
  addDigests,
  checkChains,
  checkHeld,
  checkReplicas,
  checkSegments,
  checkTotals,
} from '../../../master/loads/commit-check.ts';
import type { CommitLoadRequest } from '../../../proto/gen/stele/v1/load.ts';
import type { SegmentInfo } from '../../../proto/gen/stele/v1/segment.ts';

const nameOf = (shard: number) => segmentId(shard, '00'.repeat(16), String(shard).repeat(32));
const DELTA = segmentId(0, '11'.repeat(16), '0'.repeat(32));

function info(shard: number, more: Partial<SegmentInfo> = {}): SegmentInfo {
  const digest = Buffer.alloc(16, shard + 1);
  return {
    id: nameOf(shard),
    shard,
    fileBytes: 100,
    records: 10,
    keyBytes: 5,
    valueBytes: 7,
    digest,
    ...more,
  };
}

function commitOf(segments: readonly SegmentInfo[]): CommitLoadRequest {
  const sum = (field: 'records' | 'keyBytes' | 'valueBytes'): number =>
    segments.reduce((total, segment) => total + segment[field], 0);
  return {
    loadId: 'l',
    shards: segments.map((segment) => ({ segment, nodeIds: [] })),
    records: sum('records'),
    keyBytes: sum('keyBytes'),
    valueBytes: sum('valueBytes'),
    digest: addDigests(segments),
    minReplicas: 0,
    gate: undefined,
    keep: 0,
  };
}

function refusal(run: () => void): SteleError {
  try {
    run();
  } catch (thrown) {
    return thrown as SteleError;
  }
  throw new Error('nothing was refused');
}

describe('the segments of a commit', () => {
  test('are taken in the order of their shards when everything adds up', () => {
    const request = commitOf([info(2), info(0)]);
    expect(checkSegments(request, 4).map(({ shard }) => shard)).toEqual([0, 2]);
  });

  test.each([
    ['two segments of a shard', commitOf([info(1), info(1)]), 'shard 1 has more than one segment'],
    ['a shard that does not exist', commitOf([info(4)]), 'of shard 4, of 4'],
    [
      'other records',
      { ...commitOf([info(0)]), records: 11 },
      '10 records in all, the load says 11',
    ],
    ['other bytes', { ...commitOf([info(0)]), valueBytes: 1 }, '7 valueBytes in all'],
    [
      'another digest',
      { ...commitOf([info(0)]), digest: Buffer.alloc(16, 9) },
      "add up to the load's",
    ],
  ])('with %s are refused', (_what, request, sentence) => {
    const error = refusal(() => checkSegments(request, 4));
    expect(error).toMatchObject({ code: 'LOAD_REJECTED' });
    expect(error.message).toContain(sentence);
  });
});

describe("the datanodes' own account", () => {
  const segments = [info(0), info(1)].map(segmentRecord);

  test('that agrees is accepted, also of segments that this commit does not name', () => {
    const held = new Map([
      ['a', [info(0), info(1), info(3, { records: 999 })]],
      ['b', []],
    ]);
    expect(() => checkHeld(segments, held)).not.toThrow();
  });

  test.each([
    ['digest', { digest: Buffer.alloc(16, 0xee) }],
    ['records', { records: 9 }],
    ['keyBytes', { keyBytes: 6 }],
    ['valueBytes', { valueBytes: 8 }],
    ['fileBytes', { fileBytes: 101 }],
    ['shard', { shard: 2 }],
  ] as const)('of another %s stops the commit, and names node and segment', (field, planted) => {
    const held = new Map([
      ['a', [info(0), info(1)]],
      ['b', [info(0), info(1, planted)]],
    ]);
    const error = refusal(() => checkHeld(segments, held));
    expect(error.code).toBe('LOAD_REJECTED');
    expect(error.message).toMatch(
      new RegExp(`datanode b finds ${field} .* in segment ${nameOf(1)}`),
    );
  });

  test('is what counts as replicas', () => {
    const held = new Map([
      ['a', new Set([nameOf(0), nameOf(1)])],
      ['b', new Set([nameOf(0)])],
    ]);
    expect(() => checkReplicas(segments, held, 1)).not.toThrow();
    expect(refusal(() => checkReplicas(segments, held, 2))).toMatchObject({
      code: 'REPLICAS_MISSING',
      message: expect.stringMatching(/^1 of 2 shards .*shard 1 has 1; .*: a, b/) as string,
    });
  });

  test('with a delta alone is no replica of the shard', () => {
    const chain = [info(0), info(0, { id: DELTA })].map(segmentRecord);
    const held = new Map([
      ['a', new Set([nameOf(0), DELTA])],
      ['b', new Set([DELTA])],
    ]);
    expect(() => checkReplicas(chain, held, 1)).not.toThrow();
    expect(refusal(() => checkReplicas(chain, held, 2))).toMatchObject({
      message: expect.stringMatching(/^1 of 1 shards .*shard 0 has 1/) as string,
    });
  });
});

describe('the segments of a whole version', () => {
  const delta = (digit: number): SegmentInfo =>
    info(0, { id: segmentId(0, String(digit).repeat(32), '0'.repeat(32)) });
  const deltas = (count: number): SegmentInfo[] =>
    Array.from({ length: count }, (_, at) =>
      info(0, { id: segmentId(0, String(at).padStart(32, '0'), 'f'.repeat(32)) }),
    );

  test('are sorted by shard, and keep their order within it', () => {
    const chains = checkChains(commitOf([info(1), delta(7), info(0), delta(3)]), 2);
    expect(chains.map(({ id }) => id)).toEqual(
      [delta(7), info(0), delta(3), info(1)].map(({ id }) => id),
    );
  });

  test('are refused twice, in a shard that is not there, or in too long a chain', () => {
    expect(refusal(() => checkChains(commitOf([info(0), info(0)]), 2)).message).toContain('twice');
    expect(refusal(() => checkChains(commitOf([info(5)]), 2)).message).toContain('of shard 5');
    expect(checkChains(commitOf(deltas(17)), 2)).toHaveLength(17);
    expect(refusal(() => checkChains(commitOf(deltas(18)), 2)).message).toContain(
      'too many deltas',
    );
  });

  test('must have the totals that the datanodes count', () => {
    const request = commitOf([info(0), info(1)]);
    const { keyBytes, records, valueBytes } = request;
    const counted = { records, keyBytes, valueBytes, digest: request.digest.toString('hex') };
    checkTotals(request, counted);
    for (const wrong of [{ records: 19 }, { digest: '00'.repeat(16) }, { valueBytes: 1 }]) {
      const error = refusal(() => checkTotals(request, { ...counted, ...wrong }));
      expect(error.code).toBe('LOAD_REJECTED');
    }
  });
});
