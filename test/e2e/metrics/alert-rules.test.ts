// promtool's unit tests of the alert rules: each fires with its case, after its time, and alone.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { ALERTS_FILE, readAlertRules } from '../../support/monitoring/alert-rules.ts';
import type { AlertRule } from '../../support/monitoring/alert-rules.ts';
import { hasPromtool } from '../../support/monitoring/promtool.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { runTool } from '../../support/tools.ts';
import { ALERT_CASES } from './alert-cases.ts';
import type { AlertCase } from './alert-cases.ts';

/** Series are written, and rules evaluated, once a minute. */
const MINUTE_SECONDS = 60;
/** Rates need some minutes. */
const SETTLED_SECONDS = 10 * MINUTE_SECONDS;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

const rules = readAlertRules();

function forSeconds({ for: duration = '0s' }: AlertRule): number {
  return Number(duration.slice(0, -1)) * (SECONDS[duration.slice(-1)] ?? NaN);
}

/** Which alerts fire at some time, and no others. */
type Firing = readonly [atSeconds: number, alerts: readonly string[]];

function testGroup(name: string, series: AlertCase['fires'], firing: readonly Firing[]): object {
  const minutes = Math.ceil(Math.max(...firing.map(([at]) => at)) / MINUTE_SECONDS) + 1;
  return {
    name,
    interval: '1m',
    input_series: Object.entries(series).map(([each, values]) => ({
      series: each,
      values: `${values}x${minutes}`,
    })),
    promql_expr_test: firing.map(([at, alerts]) => ({
      expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
      eval_time: `${at}s`,
      exp_samples: alerts.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
    })),
  };
}

function groupsOf(rule: AlertRule): object[] {
  const { fires, quiet } = ALERT_CASES[rule.alert] ?? { fires: {}, quiet: {} };
  const waits = forSeconds(rule);
  const end = waits + SETTLED_SECONDS;
  const early: Firing[] = waits === 0 ? [] : [[Math.max(0, waits - MINUTE_SECONDS), []]];
  return [
    testGroup(`${rule.alert} fires`, fires, [...early, [end, [rule.alert]]]),
    testGroup(`${rule.alert} does not fire`, quiet, [[end, []]]),
  ];
}

test('there is a case for each alert, and for nothing else', () => {
  expect(Object.keys(ALERT_CASES).sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

test.skipIf(!hasPromtool())(
  'each alert fires, not before its time, and not without need',
  async () => {
    const file = join(tempDir(), 'tests.yml');
    const suite = { rule_files: [ALERTS_FILE], evaluation_interval: '1m' };
    const tests = rules.flatMap(groupsOf);
    writeFileSync(file, stringify({ ...suite, tests }, { lineWidth: 0 }));
    const output = await runTool('promtool', ['test', 'rules', file], '', 120_000);
    expect(output).toBe(`Unit Testing:  ${file}\n  SUCCESS\n\n`);
  },
  130_000,
);
