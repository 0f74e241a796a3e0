import { describe, expect, it } from 'vitest';
import {
  contentOfSegment,
  parseSegmentId,
  segmentFileName,
  segmentContent,
  segmentId,
  segmentIdOfFileName,
  shardNamedBy,
} from '../../base/segment-name.ts';

const DIGEST = '00112233445566778899aabbccddeeff';
const HASH = '0badcafe0badcafe0badcafe0badcafe';

describe('the name of a segment', () => {
  it('says shard, digest and hash, and is parsed back', () => {
    const id = segmentId(17, DIGEST, HASH);
    expect(id).toBe(`00017-${DIGEST}-${HASH}`);
    expect(parseSegmentId(id)).toBe(id);
    expect(contentOfSegment(id)).toBe(segmentContent(17, DIGEST));
    expect(shardNamedBy(id)).toBe(17);
    expect(segmentIdOfFileName(segmentFileName(id))).toBe(id);
  });

  it.each([
    '',
    '../../etc/passwd',
    `17-${DIGEST}-${HASH}`,
    `00017-${DIGEST}-${HASH.toUpperCase()}`,
    `00017-${DIGEST}-${HASH}\n`,
    `00017-${DIGEST}-0badcafe`,
  ])('is never %j', (text) => {
    expect(() => parseSegmentId(text)).toThrow(/is not the id of a segment/);
    expect(segmentIdOfFileName(`${text}.seg`)).toBeUndefined();
  });

  it('is in no other file name', () => {
    expect(segmentIdOfFileName(`${segmentId(1, DIGEST, HASH)}.seg.tmp`)).toBeUndefined();
    expect(segmentIdOfFileName(segmentId(1, DIGEST, HASH))).toBeUndefined();
  });
});
