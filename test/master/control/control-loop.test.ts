import { expect, onTestFinished, test } from 'vitest';
import { runAs } from '../../../master/callers/actor.ts';
import { ControlPlane, until } from '../control-plane.ts';

test('what a turn orders is noted as the doing of the master, and not of whoever has caused the turn', async () => {
  const plane = new ControlPlane();
  await plane.start();
  onTestFinished(() => plane.close());
  await plane.join('a', 'b');
  await plane.load('prices');
  const actor = { door: 'http', address: '10.0.0.7', who: '' } as const;
  await runAs(actor, () => plane.operations.dropKeyspace({ keyspace: 'prices' }));
  const removed = () =>
    [...plane.leader.catalog.state.event.values()].find(({ what }) => what === 'keyspace-removed');
  await until(() => {
    runAs(actor, () => plane.leader.turn());
    return removed() !== undefined;
  }, 'the keyspace is forgotten');
  expect(removed()).toMatchObject({ door: 'master', address: '' });
});
