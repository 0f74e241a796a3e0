// Results as Markdown, and next to those of the baseline.

import type { Bench, Column, Row, Table } from './bench.ts';

/** The result of one benchmark. */
export interface Result {
  readonly name: string;
  readonly settings: Readonly<Record<string, number>>;
  /** How long it ran. */
  readonly seconds: number;
  readonly tables: readonly Table[];
}

/**
 * The results of one or more benchmarks: the output of `--json`, and the content of
 * bench/baseline.json.
 */
export interface Report {
  readonly date: string;
  readonly machine: string;
  readonly results: readonly Result[];
}

function lines(
  head: readonly string[],
  labels: number,
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, index) => (index < labels ? ':--' : '--:'));
  return [head, rule, ...rows].map(line).join('\n');
}

function formatted(figure: number | null, { digits }: Column): string {
  if (figure === null) return '';
  const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return figure.toLocaleString('en', fixed);
}

function tableText({ caption, columns, labels, rows }: Table): string {
  const cells = rows.map(({ figures, what }) => [
    ...what,
    ...columns.map((column, index) => formatted(figures[index] ?? null, column)),
  ]);
  const head = [...labels, ...columns.map(({ title }) => title)];
  return `${caption}\n\n${lines(head, labels.length, cells)}\n`;
}

function settingsText(settings: Result['settings']): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value.toLocaleString('en')}`)
    .join(', ');
}

export function markdown({ about }: Bench, { name, settings, tables }: Result): string {
  return [`## ${name}\n`, `${about} (${settingsText(settings)})\n`, ...tables.map(tableText)].join(
    '\n',
  );
}

/**
 * The figures that have a better direction, those of the baseline, and their ratio. A ratio above 1
 * is better than the baseline, whichever the direction.
 */
export function comparison(result: Result, baseline: Report): string {
  const ofThis = baseline.results.filter(({ name }) => name === result.name);
  if (ofThis.length === 0) return `(the baseline has no ${result.name})\n`;
  const settings = settingsText(result.settings);
  const before = ofThis.find((each) => settingsText(each.settings) === settings);
  if (before === undefined) {
    const others = ofThis.map((each) => settingsText(each.settings)).join('; ');
    return `(not compared: the baseline is of ${others})\n`;
  }
  const rows = result.tables.flatMap((table) =>
    table.rows.flatMap((row) => comparedRow(table, row, before.tables)),
  );
  const head = ['what', 'figure', 'baseline', 'this run', 'ratio'];
  const about = `Compared with the baseline of ${baseline.date}, ${baseline.machine}; above 1 is better:`;
  return `${about}\n\n${lines(head, 2, rows)}\n`;
}

function comparedRow(table: Table, { figures, what }: Row, before: readonly Table[]): string[][] {
  const same = before
    .find(({ caption }) => caption === table.caption)
    ?.rows.find((row) => row.what.join('\n') === what.join('\n'));
  return table.columns.flatMap((column, index) => {
    const [figure, base] = [figures[index] ?? null, same?.figures[index] ?? null];
    if (column.better === undefined || figure === null || base === null) return [];
    const ratio = column.better === 'higher' ? figure / base : base / figure;
    const cells = [formatted(base, column), formatted(figure, column), ratio.toFixed(2)];
    return [[what.join(', '), column.title, ...cells]];
  });
}
