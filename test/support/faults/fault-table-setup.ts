// Collects the result lines of the fault tests and prints them as a table at the end. With
// STELE_FAULTS_TABLE=docs/reliability.md it also writes them there: lines of this run's faults are
// replaced, the others stay.

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROWS_VARIABLE } from './fault-table.ts';
import type { FaultRow } from './fault-table.ts';
import { SHORT } from './faults.ts';

const BEGIN = '<!-- table: written by npm run test:faults -->';
const END = '<!-- end of the table -->';
const HEAD = [
  '| # | fault | trials | reads | failed | p99 ms | rerouted s | recovery s | seen |',
  '| - | ----- | -----: | ----: | -----: | -----: | ---------: | ---------: | ---- |',
];

/** Called by vitest before all tests; returns the function to call after them. */
export function setup(): () => void {
  const path = join(tmpdir(), `stele-fault-rows-${process.pid}`);
  process.env[ROWS_VARIABLE] = path;
  return () => {
    const rows = existsSync(path) ? linesOf(readFileSync(path, 'utf8')) : [];
    rmSync(path, { force: true });
    if (rows.length === 0) return;
    const lines = new Map(rows.map((row) => [row.row, tableLine(row)]));
    console.log(`\n${tableOf(lines)}\n`);
    const page = process.env['STELE_FAULTS_TABLE'];
    if (page !== undefined) writeInto(page, lines);
  };
}

function linesOf(text: string): FaultRow[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as FaultRow);
}

function tableLine(row: FaultRow): string {
  const number = (value: number | undefined): string =>
    value === undefined ? '' : value.toLocaleString('en-US');
  const recovery = number(row.recoverySeconds);
  const cells = [
    row.row,
    row.fault,
    number(row.trials),
    number(row.reads),
    number(row.failed),
    number(row.p99Ms),
    number(row.reroutedSeconds),
    row.recovered === undefined ? recovery : `${recovery} ${row.recovered}`,
    row.seen,
  ];
  return `| ${cells.join(' | ')} |`;
}

function tableOf(lines: ReadonlyMap<string, string>): string {
  const names = [...lines.keys()].sort((left, right) =>
    left.localeCompare(right, 'en', { numeric: true }),
  );
  return [...HEAD, ...names.map((name) => lines.get(name))].join('\n');
}

/** The text between the two markers of the page. */
function writeInto(page: string, fresh: ReadonlyMap<string, string>): void {
  const text = readFileSync(page, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${page} has no place for the table: ${BEGIN}`);
  const lines = new Map<string, string>();
  for (const line of text.slice(from, to).split('\n')) {
    const name = /^\| (\d+[a-z]?) +\|/.exec(line)?.[1];
    if (name !== undefined) lines.set(name, line);
  }
  for (const [name, line] of fresh) lines.set(name, line);
  const form = SHORT ? 'the short form' : 'the long form';
  const caption = `The last run that wrote here: ${form}, Node.js ${process.versions.node}, ${cpus().length} cores`;
  const table = [BEGIN, '', tableOf(lines), '', `${caption}.`, '', ''].join('\n');
  writeFileSync(page, text.slice(0, from) + table + text.slice(to));
}
