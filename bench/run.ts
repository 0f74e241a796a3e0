// npm run bench -- [NAME...] [--short] [--json] [--compare] [--SETTING N ...]
//
// Runs benchmarks one after the other, each in its own process, and prints their tables as Markdown
// (or as JSON). Without a name it runs all of them.
//
//   --short       a form that takes seconds: tests that they run, not how fast the product is
//   --json        one JSON document on stdout, in the form of bench/baseline.json
//   --compare     next to the figures of bench/baseline.json, as ratios
//   --rows N ...  another value of a setting, for every benchmark that has it

import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Bench, Table } from './bench.ts';
import { BENCHES } from './benches/benches.ts';
import { comparison, markdown } from './report.ts';
import type { Report, Result } from './report.ts';
import { machine } from './support/measure.ts';
import { isInstalled, PROJECT } from './support/processes.ts';

type Values = Readonly<Record<string, number>>;

const ONE = fileURLToPath(new URL('one.js', import.meta.url));
const BASELINE = join(PROJECT, 'bench', 'baseline.json');

class UsageError extends Error {}

const settingNames = [...BENCHES.values()].flatMap(({ settings }) => Object.keys(settings));

function parseCommandLine(): {
  names: readonly string[];
  flags: { short: boolean; json: boolean; compare: boolean };
  overrides: Values;
} {
  const flag = { type: 'boolean', default: false } as const;
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      short: flag,
      json: flag,
      compare: flag,
      ...Object.fromEntries(settingNames.map((name) => [name, { type: 'string' as const }])),
    },
  });
  const unknown = positionals.filter((name) => !BENCHES.has(name));
  if (unknown.length > 0) {
    const known = [...BENCHES.keys()].join(', ');
    throw new UsageError(`No benchmark is called ${unknown.join(', ')}; there are: ${known}.`);
  }
  const { short, json, compare, ...others } = values;
  const overrides: Record<string, number> = {};
  for (const [name, text] of Object.entries(others)) {
    const value = Number(text);
    if (!(value > 0))
      throw new UsageError(`--${name} takes a number above 0, not '${String(text)}'.`);
    overrides[name] = value;
  }
  const names = positionals.length > 0 ? positionals : [...BENCHES.keys()];
  return { names, flags: { short, json, compare }, overrides };
}

function valuesOf({ settings }: Bench, short: boolean, overrides: Values): Values {
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => [
      name,
      overrides[name] ?? (short ? setting.short : setting.whole),
    ]),
  );
}

/** Returns undefined, with a line on stderr, if a program is missing. */
async function runOne(name: string, bench: Bench, settings: Values): Promise<Result | undefined> {
  const missing = (bench.needs ?? []).find((program) => !isInstalled(program));
  if (missing !== undefined) {
    console.error(
      `${name} is left out: ${missing.name} is not installed (Debian: ${missing.debianPackage}).`,
    );
    return undefined;
  }
  const startedMs = performance.now();
  const child = fork(ONE, [name, JSON.stringify(settings)], {
    // The benchmark's stdout is not part of the report.
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  let tables: readonly Table[] | undefined;
  child.on('message', (message) => (tables = message as readonly Table[]));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0 || tables === undefined) throw new Error(`${name} ended with ${String(code)}`);
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  return { name, settings, seconds, tables };
}

async function main(): Promise<void> {
  const { flags, names, overrides } = parseCommandLine();
  const baseline = flags.compare
    ? (JSON.parse(readFileSync(BASELINE, 'utf8')) as Report)
    : undefined;
  const results: Result[] = [];
  if (!flags.json) console.log(`${machine()}\n`);
  for (const name of names) {
    const bench = BENCHES.get(name);
    if (bench === undefined) continue;
    const result = await runOne(name, bench, valuesOf(bench, flags.short, overrides));
    if (result === undefined) continue;
    results.push(result);
    if (flags.json) continue;
    console.log(markdown(bench, result));
    if (baseline !== undefined) console.log(comparison(result, baseline));
  }
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    results,
  };
  if (flags.json) console.log(JSON.stringify(report, null, 1));
}

try {
  await main();
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
  console.error(isUsage ? error.message : error);
  process.exitCode = isUsage ? 2 : 1;
}
