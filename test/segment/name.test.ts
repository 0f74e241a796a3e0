import { describe, expect, it } from 'vitest';
import {
  parseSegmentId,
  segmentFileName,
  segmentId,
  segmentIdOfFileName,
} from '../../segment/name.ts';

const DIGEST = '00112233445566778899aabbccddeeff';

describe('the name of a segment', () => {
  it('says shard, digest and checksum, and is parsed back', () => {
    const id = segmentId(17, DIGEST, 0x0badcafe);
    expect(id).toBe(`00017-${DIGEST}-0badcafe`);
    expect(parseSegmentId(id)).toEqual({ shard: 17, digestHex: DIGEST, tableCrc: 0x0badcafe });
    expect(segmentIdOfFileName(segmentFileName(id))).toBe(id);
  });

  it.each([
    '',
    '../../etc/passwd',
    `17-${DIGEST}-0badcafe`,
    `00017-${DIGEST}-0BADCAFE`,
    `00017-${DIGEST}-0badcafe\n`,
  ])('is never %j', (text) => {
    expect(() => parseSegmentId(text)).toThrow(/is not the id of a segment/);
    expect(segmentIdOfFileName(`${text}.seg`)).toBeUndefined();
  });

  it('is in no other file name', () => {
    expect(segmentIdOfFileName(`${segmentId(1, DIGEST, 1)}.seg.tmp`)).toBeUndefined();
    expect(segmentIdOfFileName(segmentId(1, DIGEST, 1))).toBeUndefined();
  });
});
