// A master that starts on a full disk cannot save its epoch: it answers reads in the place of the
// start before, orders nothing, and leads as soon as there is room.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { ControlPlane, SHARDS, until } from './control-plane.ts';
import type { FakeDatanode } from './fake-datanodes.ts';

const FULL = new SteleError('DISK_FULL', 'The disk is full.');

let plane: ControlPlane;
let nodes: FakeDatanode[];
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  nodes = await plane.join('a', 'b', 'c');
  await plane.load('prices');
  await until(() => plane.leader.health.status === HealthStatus.GREEN, 'green');
  await plane.stop();
  plane.storeRefusal = FULL;
});
afterEach(() => plane.close());

const isRead = (): boolean => {
  const { ready, routes } = plane.leader.current();
  return ready && routes.filter(({ nodes: serving }) => serving.length > 0).length === SHARDS;
};
const epochs = (): number[] => nodes.map(({ epochMax }) => epochMax);

describe('a master whose epoch cannot be saved', () => {
  test('answers reads, moves nothing and changes nothing', async () => {
    const views = nodes.map(({ view }) => view);
    await plane.start();
    await until(isRead, 'routes for all shards');
    expect(plane.leader.current().epoch).toBe(1);
    for (const change of [
      plane.operations.setKeep({ keyspace: 'prices', keep: 5 }),
      plane.begin('prices'),
      plane.register(nodes[0]!),
    ]) {
      await expect(change).rejects.toBe(FULL);
    }
    nodes[0]!.alive = false;
    await until(() => plane.leader.world.nodes.get('a')?.liveness === 'DOWN', 'its death');
    await until(isRead, 'routes by the other copies');
    // The repair delay passes.
    plane.skippedMs += 10_000;
    plane.leader.turn();
    await until(() => plane.leader.health.status === HealthStatus.YELLOW, 'copies are missing');
    expect(nodes.map(({ copiesDone }) => copiesDone)).toEqual([0, 0, 0]);
    expect(plane.leader.inFlight.size).toBe(0);
    expect(nodes.map(({ view }) => view)).toEqual(views);
    expect(epochs()).toEqual([1, 1, 1]);
  });

  test('gives a restarted datanode the manifests that it has lost', async () => {
    await plane.start();
    nodes[0]!.restart();
    nodes[1]!.restart();
    nodes[2]!.restart();
    await until(isRead, 'routes for all shards');
    expect(nodes.map(({ view }) => view)).toEqual([undefined, undefined, undefined]);
  });

  test('leads as soon as there is room', async () => {
    await plane.start();
    await until(isRead, 'routes for all shards');
    nodes[0]!.alive = false;
    plane.metadata.refusal = undefined;
    await until(() => plane.leader.current().epoch === 2, 'the next epoch');
    await until(() => nodes[1]!.view?.epoch === 2, 'its view at the datanodes');
    plane.skippedMs += 10_000;
    await until(() => plane.leader.health.status === HealthStatus.YELLOW, 'yellow');
    await until(() => nodes[1]!.copiesDone + nodes[2]!.copiesDone > 0, 'a repair');
    expect((await plane.load('prices')).version).toBe(2);
  });

  test('begins its epoch before the first change for which there is room', async () => {
    await plane.start();
    plane.metadata.refusal = undefined;
    await plane.operations.setKeep({ keyspace: 'prices', keep: 5 });
    expect(plane.metadata.written[0]).toBe('epoch');
    expect(plane.leader.header('a')).toMatchObject({ epoch: 2, term: 'start-2' });
  });

  test.each([
    { obeys: 'a later epoch', epoch: 7 },
    { obeys: 'another start in the same epoch', epoch: 1 },
  ])('does not read from a datanode that obeys $obeys', async ({ epoch }) => {
    for (const node of nodes) Object.assign(node, { epochMax: epoch, term: 'another' });
    await plane.start();
    await until(
      () => nodes.every(({ id }) => plane.leader.world.nodes.get(id)?.liveness === 'DOWN'),
      'that all of them count as silent',
    );
    expect(isRead()).toBe(false);
    plane.metadata.refusal = undefined;
    await until(() => plane.leader.current().epoch > epoch, 'a higher epoch');
    await until(isRead, 'routes for all shards');
  });
});
