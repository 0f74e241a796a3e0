import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import { ControlPlane, until } from '../control-plane.ts';

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

const health = () => plane.leader.health.status;
const isGreen = () => health() === HealthStatus.GREEN;

describe('a master that starts again', () => {
  test('knows everything, dials its nodes, copies nothing, and has a higher epoch', async () => {
    const nodes = await plane.join('a', 'b', 'c');
    await plane.load('prices');
    const before = plane.leader.current();
    const owners = plane.leader.world.owners;
    await plane.stop();
    await plane.start();
    expect(plane.leader.current().ready).toBe(false);
    await until(isGreen, 'green');
    const after = plane.leader.current();
    expect(after.epoch).toBe(before.epoch + 1);
    expect(after.keyspaces).toEqual(before.keyspaces);
    expect(plane.leader.world.owners).toEqual(owners);
    expect(nodes.map((node) => node.copiesDone)).toEqual([0, 0, 0]);
    const orders = nodes[0]!.ordersSeen;
    expect(orders.every((header) => header.clusterId === 'c000000000000001')).toBe(true);
  });

  test('is over when a node that has obeyed it obeys a later one', async () => {
    const nodes = await plane.join('a', 'b');
    for (const node of nodes) Object.assign(node, { epochMax: 99, term: 'another' });
    await until(() => plane.replaced !== undefined, 'that it ends');
    expect(plane.replaced).toMatchObject({
      code: 'STALE_EPOCH',
      message: expect.stringContaining('has taken it over') as string,
    });
  });
});
