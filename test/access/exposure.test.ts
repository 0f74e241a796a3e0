import { expect, it } from 'vitest';
import { exposureOf } from '../../access/exposure.ts';

const LOOPBACK = ['127.0.0.1', '127.8.9.10', '::1', '[::1]', '0:0:0:0:0:0:0:1', 'localhost'];
const OTHERS = [
  '0.0.0.0',
  '::',
  '10.0.0.5',
  'fe80::1',
  'db1',
  '127.evil.example',
  '127.0.0.1.x',
  '',
];

it('refuses to listen beyond loopback without users, unless that is meant', () => {
  const closed = { auth: 'off', insecure: false } as const;
  for (const host of LOOPBACK) expect(exposureOf({ ...closed, host })).toBe(undefined);
  for (const host of OTHERS) {
    expect(() => exposureOf({ ...closed, host })).toThrow(
      /--auth on.*`stele up --secure`.*--insecure/,
    );
    expect(exposureOf({ ...closed, insecure: true, host })).toMatch(/^insecure: .*may read, load/);
    expect(exposureOf({ auth: 'on', insecure: true, host })).toBe(undefined);
  }
});
