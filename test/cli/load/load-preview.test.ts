import { expect, it } from 'vitest';
import { recordJson } from '../../../cli/load/load-preview.ts';

it('JSON holds every byte: as text, or as base64 if they are not text', () => {
  const value = Buffer.from([0xff, 0x00]);
  expect(recordJson({ key: Buffer.from('k'), value, valueBytes: 2 })).toEqual({
    ...{ key: 'k', value_base64: '/wA=', value_bytes: 2 },
  });
  expect(recordJson({ key: value, value: Buffer.from('v'), valueBytes: 9 })).toEqual({
    ...{ key_base64: '/wA=', value: 'v', value_bytes: 9, cut: true },
  });
});
