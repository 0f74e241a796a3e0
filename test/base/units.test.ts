import { assert, nat, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesText,
  durationText,
  formatBytes,
  formatDuration,
  parseBytes,
  parseDurationMs,
} from '../../base/units.ts';

describe('parseBytes', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['1b', 1],
    ['64KiB', 65_536],
    ['64 kib', 65_536],
    ['1k', 1024],
    ['1kB', 1000],
    ['16MiB', 16 * 1024 ** 2],
    ['1.5GB', 1_500_000_000],
    ['1.5g', 1.5 * 1024 ** 3],
    ['2TiB', 2 * 1024 ** 4],
    [' 7 ', 7],
  ])('reads %s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(['', 'x', '-1', '1.', '.5', '1 2', '1zib', '1e9', '0x10', '9999999999999999999', 'NaN'])(
    'refuses %j and shows how to write it',
    (text) => {
      expect(() => parseBytes(text)).toThrow(/is not a size: write it like 4096, 64KiB/);
    },
  );

  it('does not repeat control characters or endless text in its message', () => {
    const text = `\u001B[31m${'x'.repeat(1000)}`;
    expect(() => parseBytes(text)).toThrow(/^'\?\[31mx{54,56}\.\.\.' is not/);
  });

  it('reads every whole number of bytes as itself', () => {
    assert(
      property(nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        expect(parseBytes(String(bytes))).toBe(bytes);
      }),
    );
  });
});

describe('parseDurationMs', () => {
  it.each([
    ['0', 0],
    ['250ms', 250],
    ['10s', 10_000],
    ['0.5s', 500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
  ])('reads %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['5', '10', '1.5', ' 250 '])('refuses %j, which may be seconds', (text) => {
    expect(() => parseDurationMs(text)).toThrow(
      `'${text}' has no unit: write ${text.trim()}s for seconds, or use ms, m or h.`,
    );
  });

  it('does not take a size for a duration', () => {
    expect(() => parseDurationMs('10MiB')).toThrow(/is not a duration: write it like 250ms/);
  });
});

describe('durationText and bytesText', () => {
  it('are read back as what they were', () => {
    const durations = { 0: '0', 1: '1ms', 1500: '1500ms', 90_000: '90s', 7_200_000: '2h' };
    for (const [ms, text] of Object.entries(durations)) {
      expect(durationText(Number(ms))).toBe(text);
      expect(parseDurationMs(text)).toBe(Number(ms));
    }
    const sizes = { 0: '0', 1000: '1000', 65_536: '64KiB', 67_108_864: '64MiB' };
    for (const [bytes, text] of Object.entries(sizes)) {
      expect(bytesText(Number(bytes))).toBe(text);
      expect(parseBytes(text)).toBe(Number(bytes));
    }
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [5 * 1024 ** 2, '5.0 MiB'],
    [3 * 1024 ** 4, '3.0 TiB'],
    [5000 * 1024 ** 4, '5000.0 TiB'],
  ])('writes %d', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0 ms'],
    [349.6, '350 ms'],
    [12_345, '12.3 s'],
    [125_000, '2m 05s'],
    [3_720_000, '1h 02m'],
  ])('writes %d', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});
