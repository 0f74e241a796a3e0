import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MetricsDoor } from '../../access/metrics-door.ts';
import type { Right } from '../../access/rights.ts';
import type { Subject } from '../../access/subject.ts';
import { visibleMetrics } from '../../access/visible.ts';
import { tempDir } from '../support/temp-dir.ts';

const TOKENS = ['the-present-token', 'the-token-before'];

it('opens for any of the tokens, and for nothing else', () => {
  const file = join(tempDir(), 'token');
  writeFileSync(file, `${TOKENS.join('\n')}\n`);
  const door = new MetricsDoor(false, file);
  for (const token of TOKENS) expect(door.opensFor(`Bearer ${token}`)).toBe(true);
  for (const shown of [undefined, '', 'Bearer ', `Bearer ${TOKENS[0]}x`, `Basic ${TOKENS[0]}`]) {
    expect(door.opensFor(shown)).toBe(false);
    expect(new MetricsDoor(false, '').opensFor(shown)).toBe(false);
    expect(new MetricsDoor(true, '').opensFor(shown)).toBe(true);
  }
  writeFileSync(file, 'short\n');
  expect(() => new MetricsDoor(false, file)).toThrow(/at least 16/);
  expect(() => new MetricsDoor(false, join(file, 'x'))).toThrow(/cannot be read/);
});

it('leaves out the series of keyspaces that a user may not read', () => {
  const text = [
    '# HELP a The keyspace="prices" is named in no line of help',
    'a{keyspace="geo"} 1',
    'a{keyspace="prices"} 2',
    'b{result="ok",keyspace="prices"} 3',
    'c{not_keyspace="prices"} 4',
    'd 5',
    '',
  ];
  const may = (_: Right, keyspace?: string): boolean => keyspace === 'geo';
  const mine = { name: 'a', by: 'password', isCluster: false, isLive: true } as const;
  const subject: Subject = { ...mine, may, has: () => true };
  const seen = visibleMetrics(subject, text.join('\n')).split('\n');
  expect(seen).toEqual([text[0], text[1], text[4], text[5], '']);
  expect(visibleMetrics(undefined, text.join('\n'))).toBe(text.join('\n'));
});
