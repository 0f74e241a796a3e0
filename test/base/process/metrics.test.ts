import { expect, test } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { MetricSet } from '../../../base/process/metrics.ts';

test('two scrapes that overlap count nothing twice', async () => {
  const set = new MetricSet('master');
  set.series('stele_test_things', 'Things', ['kind'], async () => {
    await new Promise(setImmediate);
    return [[{ kind: 'a' }, 3]];
  });
  for (const text of await Promise.all([set.text(), set.text()])) {
    expect(text).toMatch(/^stele_test_things\{kind="a"\} 3$/m);
  }
});

test('a metric that is unavailable is absent, and the others are there', async () => {
  const set = new MetricSet('master');
  let isAway = false;
  set.series('stele_test_things', 'Things', [], async () => {
    if (isAway) throw new SteleError('UNAVAILABLE', 'Nobody leads.');
    return [[{}, 3]];
  });
  set.series('stele_test_others', 'Others', [], () => [[{}, 4]]);
  expect(await set.text()).toMatch(/^stele_test_things 3$/m);
  isAway = true;
  const text = await set.text();
  expect(text).not.toMatch(/^stele_test_things/m);
  expect(text).toMatch(/^stele_test_others 4$/m);
});
