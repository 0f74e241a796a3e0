import { describe, expect, it } from 'vitest';
import { defineBench } from '../../bench/bench.ts';
import type { Table } from '../../bench/bench.ts';
import { comparison, markdown } from '../../bench/report.ts';
import type { Report, Result } from '../../bench/report.ts';

const bench = defineBench({
  about: 'GETs',
  settings: { rows: { whole: 1_000_000, short: 10 } },
  run: () => Promise.resolve([]),
});

function resultOf(rate: number, p99Ms: number | null, rows = 1_000_000): Result {
  const table: Table = {
    caption: 'Medians.',
    labels: ['server'],
    columns: [
      { title: 'GET/s', digits: 0, better: 'higher' },
      { title: 'p99 ms', digits: 2, better: 'lower' },
      { title: 'keys', digits: 1 },
    ],
    rows: [{ what: ['datanode'], figures: [rate, p99Ms, 2.25] }],
  };
  return { name: 'read', settings: { rows }, seconds: 1, tables: [table] };
}

function baseline(...results: Result[]): Report {
  return { date: '2026-11-30', machine: '2 cores', results };
}

it('a result as Markdown: settings, labels to the left, figures to the right', () => {
  expect(markdown(bench, resultOf(12_345.6, null))).toBe(
    [
      '## read\n',
      'GETs (rows 1,000,000)\n',
      'Medians.\n',
      '| server | GET/s | p99 ms | keys |',
      '| :-- | --: | --: | --: |',
      '| datanode | 12,346 |  | 2.3 |\n',
    ].join('\n'),
  );
});

describe('beside the baseline', () => {
  it('a ratio above 1 is better, whichever the direction; other figures are not compared', () => {
    const text = comparison(resultOf(200, 2), baseline(resultOf(100, 1)));
    expect(text).toContain('of 2026-11-30, 2 cores');
    expect(text.split('\n').filter((line) => line.startsWith('| datanode'))).toEqual([
      '| datanode | GET/s | 100 | 200 | 2.00 |',
      '| datanode | p99 ms | 1.00 | 2.00 | 0.50 |',
    ]);
  });

  it('a figure that one of them lacks is left out', () => {
    const text = comparison(resultOf(200, null), baseline(resultOf(100, 1)));
    expect(text).toContain('| GET/s |');
    expect(text).not.toContain('p99');
  });

  it('uses the run with the same settings, and reports if there is none', () => {
    const both = baseline(resultOf(100, 1, 10), resultOf(400, 1));
    expect(comparison(resultOf(200, 1), both)).toContain('| 400 | 200 | 0.50 |');
    expect(comparison(resultOf(200, 1, 77), both)).toBe(
      '(not compared: the baseline is of rows 10; rows 1,000,000)\n',
    );
    expect(comparison(resultOf(200, 1), baseline())).toBe('(the baseline has no read)\n');
  });
});
