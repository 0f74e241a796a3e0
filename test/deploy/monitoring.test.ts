// What deploy/ has for Prometheus and Grafana, against docs/runbook.md and docs/metrics.md.
// test/e2e/metrics/ tries it with a real Prometheus.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readAlertRules } from '../support/monitoring/alert-rules.ts';
import { dashboardQueries, readDashboard } from '../support/monitoring/dashboard.ts';
import { documentedMetrics, metricsIn } from '../support/monitoring/documented-metrics.ts';
import { hasPromtool } from '../support/monitoring/promtool.ts';
import { PROJECT } from '../support/process/stele-process.ts';
import { runTool } from '../support/tools.ts';
import { anchorsOf, readDoc, section } from '../docs/markdown.ts';

const rules = readAlertRules();
const runbook = readDoc('docs/runbook.md');
/** Labels that a rule without an aggregation keeps: those of the target, and of its metric. */
const KEPT_LABELS = ['instance', 'certificate', 'part'];

/** The labels of the series that an expression of a rule leaves. */
function labelsLeft(expr: string): string[] {
  const by = /^(?:histogram_quantile|max|sum|time\(\) - max)\b.*?\bby \(([^)]*)\)/.exec(expr)?.[1];
  return by === undefined ? KEPT_LABELS : by.split(', ');
}

test.skipIf(!hasPromtool())(
  'promtool accepts the rules and the example of Prometheus',
  async () => {
    const file = join(PROJECT, 'deploy/prometheus/prometheus.yml');
    const output = await runTool('promtool', ['check', 'config', '--lint=all', file]);
    expect(output).toMatch(/is valid prometheus config file syntax/);
    expect(output).toContain(`SUCCESS: ${rules.length} rules found`);
    expect(output).not.toMatch(/FAILED|error|duplicate/i);
  },
);

test.each(rules)('$alert has a severity, texts, and a section of the runbook', (rule) => {
  const { alert, annotations, expr, labels } = rule;
  expect(labels['severity']).toMatch(/^(?:critical|warning)$/);
  expect(annotations['summary']).toMatch(/\w/);
  expect(annotations['description']).toMatch(/\.$/);
  const named = Object.values(annotations).flatMap((text) =>
    [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label),
  );
  expect(labelsLeft(expr)).toEqual(expect.arrayContaining(named));
  expect(annotations['runbook_url']).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
  expect(anchorsOf(runbook)).toContain(alert.toLowerCase());
  const text = section(runbook, alert);
  for (const part of ['**Means.**', '**Look at.**', '**Do.**']) expect(text).toContain(part);
  expect(text).toMatch(/(?:`|^)(?:stele|systemctl|journalctl) /m);
});

test('the runbook has the alerts in the order of the rules, and no others', () => {
  const sections = [...runbook.matchAll(/^## (Stele\w+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(rules.map(({ alert }) => alert));
});

test('every line of a log that the runbook looks for is one that a process writes', () => {
  const folders = ['access', 'base', 'datanode', 'master', 'transport'];
  const sources = folders.flatMap((folder) =>
    readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readDoc(join(folder, name))),
  );
  const searched = [...runbook.matchAll(/journalctl [^`\n]*\| grep (?:-E )?'([^']+)'/g)];
  const texts = searched.flatMap(([, pattern = '']) => pattern.split('|'));
  expect(texts.length).toBeGreaterThan(5);
  expect(texts.filter((text) => !sources.some((source) => source.includes(text)))).toEqual([]);
});

test('rules and panels ask for documented metrics alone', () => {
  const known = documentedMetrics();
  const queries = dashboardQueries(readDashboard());
  expect(queries.length).toBeGreaterThan(30);
  for (const { expr } of [...rules, ...queries]) {
    expect([expr, metricsIn(expr).filter((name) => !known.has(name))]).toEqual([expr, []]);
  }
});

test.each(['operations', 'security', 'runbook', 'metrics', 'console', 'benchmarks'])(
  'every metric that docs/%s.md names is in docs/metrics.md',
  (page) => {
    const known = documentedMetrics();
    const named = metricsIn(readDoc(`docs/${page}.md`)).filter((name) => name !== 'stele_version');
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  },
);
