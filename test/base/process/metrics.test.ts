import { expect, test } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { exportedBoundsMs, LatencyHistogram } from '../../../base/process/latency.ts';
import { MetricSet } from '../../../base/process/metrics.ts';
import { complaintsAbout, hasPromtool } from '../../support/monitoring/promtool.ts';

test('writes types, labels and values as Prometheus reads them', async () => {
  const set = new MetricSet();
  set.series('stele_test_things', 'With \\ and\nlines', () => [
    [{ path: 'a\\b"c\nd', kind: '' }, 0.5],
    [{ path: 'ü', kind: 'x' }, Infinity],
  ]);
  set.value('stele_test_events_total', 'Events', () => 1e21);
  set.value('stele_test_level', 'Level', () => -Infinity);
  expect(await set.text()).toBe(
    [
      '# HELP stele_test_things With \\\\ and\\nlines',
      '# TYPE stele_test_things gauge',
      'stele_test_things{path="a\\\\b\\"c\\nd",kind=""} 0.5',
      'stele_test_things{path="ü",kind="x"} +Inf',
      '# HELP stele_test_events_total Events',
      '# TYPE stele_test_events_total counter',
      'stele_test_events_total 1e+21',
      '# HELP stele_test_level Level',
      '# TYPE stele_test_level gauge',
      'stele_test_level -Inf',
      '',
    ].join('\n'),
  );
});

test('writes a histogram in seconds, with all that is longer in the last bucket alone', async () => {
  const set = new MetricSet();
  const times = new LatencyHistogram();
  times.record(0.05);
  times.record(0.3, 2);
  times.record(3600_000);
  set.times('stele_test_seconds', 'Times', exportedBoundsMs, () => [
    [{}, times],
    [{ protocol: 'http' }, new LatencyHistogram()],
  ]);
  const lines = (await set.text()).split('\n');
  expect(lines.slice(0, 2)).toEqual([
    '# HELP stele_test_seconds Times',
    '# TYPE stele_test_seconds histogram',
  ]);
  for (const line of [
    'stele_test_seconds_bucket{le="0.00005"} 1',
    'stele_test_seconds_bucket{le="0.0002"} 1',
    'stele_test_seconds_bucket{le="0.0004"} 3',
    'stele_test_seconds_bucket{le="+Inf"} 4',
    'stele_test_seconds_sum 3600.00065',
    'stele_test_seconds_count 4',
    'stele_test_seconds_bucket{protocol="http",le="+Inf"} 0',
    'stele_test_seconds_sum{protocol="http"} 0',
  ]) {
    expect(lines).toContain(line);
  }
  const finite = lines.filter((line) => /^stele_test_seconds_bucket\{le="\d/.test(line));
  expect(finite.at(-1)).toMatch(/ 3$/);
  // From 50 us to over a second, and never more than the square root of two apart.
  const bounds = finite.map((line) => Number(/le="([^"]+)"/.exec(line)?.[1]));
  expect(bounds[0]).toBe(0.00005);
  expect(bounds.at(-1)).toBeGreaterThan(1);
  for (const [at, bound] of bounds.slice(1).entries()) {
    expect(bound / (bounds[at] ?? 0)).toBeCloseTo(Math.SQRT2, 5);
  }
});

test.skipIf(!hasPromtool())(
  'promtool accepts it, and would complain about a wrong name',
  async () => {
    const set = new MetricSet();
    set.series('stele_test_things', 'A "\\" and\nlines', () => [[{ path: '"\\\n' }, NaN]]);
    set.times('stele_test_seconds', 'T', exportedBoundsMs, () => [[{}, new LatencyHistogram()]]);
    expect(await complaintsAbout(await set.text())).toBe('');
    set.value('stele_test_milliseconds', 'Time', () => 1);
    expect(await complaintsAbout(await set.text())).toMatch(/stele_test_milliseconds .*base unit/);
  },
);

test('two scrapes that overlap are both complete', async () => {
  const set = new MetricSet();
  set.series('stele_test_things', 'Things', async () => {
    await new Promise(setImmediate);
    return [[{ kind: 'a' }, 3]];
  });
  for (const text of await Promise.all([set.text(), set.text()])) {
    expect(text).toMatch(/^stele_test_things\{kind="a"\} 3$/m);
  }
});

test('a metric that is unavailable is absent, and the others are there', async () => {
  const set = new MetricSet();
  let code: 'UNAVAILABLE' | 'INTERNAL' | undefined;
  set.series('stele_test_things', 'Things', async () => {
    if (code !== undefined) throw new SteleError(code, 'Nobody leads.');
    return [[{}, 3]];
  });
  set.series('stele_test_others', 'Others', () => [[{}, 4]]);
  expect(await set.text()).toMatch(/^stele_test_things 3$/m);
  code = 'UNAVAILABLE';
  const text = await set.text();
  expect(text).not.toMatch(/^stele_test_things/m);
  expect(text).toMatch(/^stele_test_others 4$/m);
  code = 'INTERNAL';
  await expect(set.text()).rejects.toThrow('Nobody leads.');
});
