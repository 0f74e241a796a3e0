import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { paintAnsi } from '../../cli/output.ts';
import { formatCount, formatTable } from '../../cli/text-table.ts';

const COLUMNS = [
  { title: 'NODE' },
  { title: 'COUNT', align: 'right' },
  { title: 'STATE' },
] as const;

describe('formatTable', () => {
  it('aligns text to the left and numbers to the right, and ends no line with spaces', () => {
    const rows = [
      ['node-0', '5', 'up'],
      ['a', '12345678', ''],
    ];
    expect(formatTable(COLUMNS, rows)).toBe(
      ['NODE       COUNT  STATE', 'node-0         5  up', 'a       12345678'].join('\n'),
    );
  });

  it('does not count colour as width', () => {
    const rows = [
      [paintAnsi('red', 'a'), '1', 'x'],
      ['bb', '2', 'y'],
    ];
    const [, first, second] = formatTable(COLUMNS, rows).split('\n');
    expect(stripVTControlCharacters(first ?? '').indexOf('x')).toBe(second?.indexOf('y'));
  });

  it('counts a character outside the BMP as one', () => {
    const [, first, second] = formatTable(
      [{ title: 'K' }, { title: 'V' }],
      [
        ['𝒳', '1'],
        ['x', '2'],
      ],
    ).split('\n');
    expect(first).toBe('𝒳  1');
    expect(second).toBe('x  2');
  });

  it('is the titles alone without rows', () => {
    expect(formatTable(COLUMNS, [])).toBe('NODE  COUNT  STATE');
  });
});

describe('formatCount', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [12_345_678, '12,345,678'],
  ])('writes %d with commas', (value, text) => {
    expect(formatCount(value)).toBe(text);
  });
});
