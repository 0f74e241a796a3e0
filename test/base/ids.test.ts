import { describe, expect, it, test } from 'vitest';
import {
  keyspaceIndex,
  keyspaceName,
  newIncarnation,
  nodeId,
  randomId,
  shardNumber,
  listNames,
  shorten,
  version,
} from '../../base/ids.ts';

test('a number is the index of a keyspace, and never a name', () => {
  expect(['0', '7', '100110'].map(keyspaceIndex)).toEqual([0, 7, 100_110]);
  for (const name of ['007', 'a1', '-1', '1.0', '', '1234567890']) {
    expect(keyspaceIndex(name)).toBeUndefined();
  }
});

describe('keyspaceName', () => {
  it.each(['default', 'a', '_x', '9lives', 'geo.eu-west_1', 'x'.repeat(64)])(
    'accepts %s',
    (name) => {
      expect(keyspaceName(name)).toBe(name);
    },
  );

  it.each(['', '.hidden', '-x', 'a/b', '../x', 'a b', 'a\nb', 'näme', 'x'.repeat(65), 'a\u0000'])(
    'refuses %j with the rule',
    (name) => {
      expect(() => keyspaceName(name)).toThrow(/is not a keyspace name: use 1 to 64 letters/);
    },
  );
});

describe('nodeId', () => {
  it.each(['node-0', 'a', 'eu.west_1', 'x'.repeat(63)])('accepts %s', (id) => {
    expect(nodeId(id)).toBe(id);
  });

  it.each(['', '_x', '.', '-', 'a b', 'a/b', 'x'.repeat(64)])('refuses %j', (id) => {
    expect(() => nodeId(id)).toThrow(/is not a datanode id/);
  });
});

describe('version', () => {
  it('takes a number or its decimal text', () => {
    expect(version(7)).toBe(7);
    expect(version('7')).toBe(7);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53, '0', '', '1.0', '-1', '1e3', 'latest'])(
    'refuses %j',
    (input) => {
      expect(() => version(input)).toThrow(/is not a version: use 1, 2, 3/);
    },
  );
});

describe('shardNumber', () => {
  it('takes decimal text', () => {
    expect(shardNumber('0')).toBe(0);
    expect(shardNumber('127')).toBe(127);
  });

  it.each(['', '-1', '1.5', '16384', '999999', 'x', '0x1'])('refuses %j', (text) => {
    expect(() => shardNumber(text)).toThrow(/is not a shard: use 0 to/);
  });
});

describe('random ids', () => {
  it('are 16 hex digits and differ', () => {
    const ids = [newIncarnation(), newIncarnation(), randomId(), randomId()];
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it('lists the first names, and how many more there are', () => {
  expect(listNames([], 2)).toBe('');
  expect(listNames(['a', 'b'], 2)).toBe('a, b');
  expect(listNames([1, 2, 3, 4], 2)).toBe('1, 2 and 2 more');
});

describe('shorten', () => {
  it('leaves short printable text as it is', () => {
    expect(shorten('päivää')).toBe('päivää');
  });

  it('cuts long text and says so', () => {
    expect(shorten('abcdef', 3)).toBe('abc...');
  });

  it('lets nothing through that moves a cursor', () => {
    expect(shorten('\u001B[2J\r\n\u0000\u009B')).toBe('?[2J????');
  });
});
