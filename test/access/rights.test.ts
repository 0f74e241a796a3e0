import { expect, it } from 'vitest';
import { BUILT_IN_ROLES, Rights, checkGrant } from '../../access/rights.ts';

it('allows a right on keyspaces that match a pattern, and on nothing else', () => {
  const rights = new Rights(['read:geo*', 'load:geo-eu']);
  expect(rights.may('read', 'geo-us')).toBe(true);
  expect(rights.may('read', 'prices')).toBe(false);
  expect(rights.may('load', 'geo-eu')).toBe(true);
  expect(rights.may('load', 'geo-us')).toBe(false);
  expect(rights.may('operate', 'geo-us')).toBe(false);
  expect(rights.has('load')).toBe(true);
  expect(rights.has('operate')).toBe(false);
});

it('allows what concerns no keyspace by the pattern * alone', () => {
  expect(new Rights(['operate:**', 'operate:geo']).may('operate')).toBe(false);
  expect(new Rights(['operate:*']).may('operate')).toBe(true);
});

it('takes linear time for a pattern with many stars', () => {
  const rights = new Rights([`read:${'a*'.repeat(60)}b`]);
  const startMs = performance.now();
  expect(rights.may('read', 'a'.repeat(64))).toBe(false);
  expect(performance.now() - startMs).toBeLessThan(1000);
});

it.each(['read', 'write:*', 'read:', 'read:a b', 'READ:*', `read:${'x'.repeat(200)}`])(
  'refuses %j as a grant',
  (text) => {
    expect(() => checkGrant(text)).toThrow(/is not a grant/);
  },
);

it('has built-in roles of valid grants', () => {
  for (const grant of Object.values(BUILT_IN_ROLES).flat()) checkGrant(grant);
  expect(new Rights(BUILT_IN_ROLES['admin'] ?? []).may('admin')).toBe(true);
  expect(new Rights(BUILT_IN_ROLES['operator'] ?? []).may('load', 'x')).toBe(false);
});
