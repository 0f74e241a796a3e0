import { describe, expect, test } from 'vitest';
import { gateResult } from '../../../console/format/gates.ts';
import { bytes, count, latency, percent, plural, rate } from '../../../console/format/numbers.ts';
import { shownBytes } from '../../../console/format/samples.ts';
import { ago, duration } from '../../../console/format/times.ts';
import { tierText } from '../../../console/format/tiers.ts';
import { KEYSPACE, VERSION } from '../samples.ts';

test('a tier says what is left of a change', () => {
  expect(tierText(KEYSPACE)).toBe('in memory');
  const move = { segments_left: 1, bytes_left: 1536, nodes_unknown: 2, failure: 'no memory' };
  expect(tierText({ tier: 'disk', tier_move: move })).toBe(
    'on disk soon: 1 segment left (1.5 KiB), 2 datanodes yet to say what is left, the last try failed (no memory)',
  );
});

describe('numbers', () => {
  test('are short, and say when they are not known', () => {
    expect([0, 1023, 1536, 5.5 * 2 ** 30, null].map(bytes)).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '5.5 GiB',
      '–',
    ]);
    expect([0, 0.5, 12.34, 4567, 45_670, 2_345_678, undefined].map(rate)).toEqual([
      '0',
      '0.5',
      '12.3',
      '4,567',
      '45.7k',
      '2.35M',
      '–',
    ]);
    expect([0.087, 12.3, 1234, null].map(latency)).toEqual(['0.087 ms', '12 ms', '1.2 s', '–']);
    expect([percent(0.12345), percent(1), count(1_234_567)]).toEqual([
      '12.3%',
      '100%',
      '1,234,567',
    ]);
    expect([plural(1, 'copy', 'copies'), plural(2, 'copy', 'copies'), plural(0, 'shard')]).toEqual([
      '1 copy',
      '2 copies',
      '0 shards',
    ]);
  });
});

describe('times', () => {
  test('have two units at most', () => {
    const seconds = [0.2, 12, 125, 3600, 90_061];
    expect(seconds.map((each) => duration(each * 1000))).toEqual([
      '0 s',
      '12 s',
      '2 min 5 s',
      '1 h',
      '1 d 1 h',
    ]);
  });

  test('say how long ago something was, whatever the clocks', () => {
    const now = Date.parse('2026-01-02T00:00:00Z');
    expect(ago('2026-01-01T23:55:00Z', now)).toBe('5 min ago');
    expect(ago('2026-01-02T00:00:05Z', now)).toBe('just now');
    expect(ago('never', now)).toBe('never');
  });
});

describe('samples', () => {
  const base64 = (value: string | Buffer): string => Buffer.from(value).toString('base64');

  test('are text where they are text, otherwise hex', () => {
    expect(shownBytes(base64('Åse'))).toBe('Åse');
    expect(shownBytes(base64(Buffer.from([0xff, 0x00])))).toBe('0xff00');
  });

  test('say how long a value is that was cut off, also within a character', () => {
    expect(shownBytes(base64(Buffer.from('Åse å').subarray(0, 6)), 2048)).toBe('Åse  (2 KiB)');
  });
});

describe('gates', () => {
  test('give their result and each condition', () => {
    const gate = {
      expect_rows: 1000,
      expect_tolerance: 0.01,
      min_rows: 10,
      max_shrink: 0.5,
      require_keys: [
        { key: 'a', value: null },
        { key: 'b', value: '1' },
      ],
    };
    expect(gateResult({ ...VERSION, gate })).toEqual({
      result: 'passed',
      conditions: [
        '1,000 rows within 1%',
        'at least 10 rows',
        'at most 50% fewer rows',
        'has key a',
        'key b is 1',
      ],
    });
    expect(gateResult({ ...VERSION, state: 'REJECTED', reason: 'too few rows' }).result).toBe(
      'too few rows',
    );
    expect(gateResult(VERSION).result).toBe('no condition');
  });
});
