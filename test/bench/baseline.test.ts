// bench/baseline.json must match the benchmarks: they still measure everything that it has figures
// of.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BENCHES } from '../../bench/benches/benches.ts';
import type { Report } from '../../bench/report.ts';
import { PROJECT } from '../support/process/stele-process.ts';

const baseline = JSON.parse(readFileSync(join(PROJECT, 'bench/baseline.json'), 'utf8')) as Report;

it('says when it was measured, and on what machine', () => {
  expect(baseline.date).toMatch(/^\d{4}-\d\d-\d\d$/);
  expect(baseline.machine).toMatch(/^\d+ cores \(.+\), \d+ GiB, Node\.js \d+\.\d+\.\d+$/);
});

it('has only figures of existing benchmarks and settings', () => {
  expect(baseline.results.length).toBeGreaterThan(0);
  for (const { name, settings, tables } of baseline.results) {
    expect(Object.keys(settings)).toEqual(Object.keys(BENCHES.get(name)?.settings ?? {}));
    expect(tables.flatMap(({ rows }) => rows).length).toBeGreaterThan(0);
  }
});
