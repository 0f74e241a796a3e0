import { expect, it } from 'vitest';
import { encodeChunk } from '../../loader/push-stream.ts';
import { PushSegmentsRequest } from '../../proto/gen/stele/v1/datanode.ts';

it('the short way of encoding a chunk gives what the generated encoder gives', () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 262_144]) {
    const value = Buffer.alloc(length, length);
    const generated = PushSegmentsRequest.encode({ part: { $case: 'chunk', value } }).finish();
    expect(encodeChunk(value).equals(generated)).toBe(true);
  }
});
