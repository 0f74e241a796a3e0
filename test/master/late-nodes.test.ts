import { expect, onTestFinished, test } from 'vitest';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { ControlPlane, until } from './control-plane.ts';

test('a datanode that does not take the view makes the cluster YELLOW, with the reason, until it does', async () => {
  const plane = new ControlPlane();
  onTestFinished(() => plane.close());
  await plane.start();
  const isGreen = () => plane.leader.health.status === HealthStatus.GREEN;
  const [a] = await plane.join('a', 'b');
  await until(isGreen, 'green');
  a!.deaf = true;
  await plane.load('prices');
  expect(isGreen()).toBe(true);
  plane.skippedMs += 3_000;
  await until(() => plane.leader.health.status === HealthStatus.YELLOW, 'yellow');
  const health = await plane.operations.health({ waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 });
  expect(health.reasons).toEqual(['datanode a: has not taken the present view yet']);
  expect(health.ready).toBe(true);
  a!.deaf = false;
  await until(isGreen, 'green again');
});
