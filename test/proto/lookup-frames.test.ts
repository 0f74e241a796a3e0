import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LookupStreamResponse } from '../../proto/gen/stele/v1/lookup.ts';
import { encodeLookupResponse } from '../../proto/lookup-frames.ts';

it('a reply is encoded as the generated code does', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      fc.nat({ max: 0xffff_ffff }),
      fc.nat({ max: 0xffff_ffff }),
      fc.uint8Array({ maxLength: 300 }),
      (id, first, count, results) => {
        const response = { id, first, count, results: Buffer.from(results) };
        const expected = Buffer.from(LookupStreamResponse.encode(response).finish());
        expect(encodeLookupResponse(response).equals(expected)).toBe(true);
      },
    ),
  );
});

it('a long reply comes out as it went in', () => {
  const results = Buffer.alloc(1_100_000, 'r');
  const response = { id: 2 ** 53 - 1, first: 2 ** 32 - 1, count: 4096, results };
  expect(LookupStreamResponse.decode(encodeLookupResponse(response))).toEqual(response);
});
