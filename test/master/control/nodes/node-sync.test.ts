import { expect, onTestFinished, test } from 'vitest';
import { raiseEpoch } from '../../../../master/catalog/cluster-transitions.ts';
import type { ApplyViewRequest } from '../../../../proto/gen/stele/v1/datanode.ts';
import { ControlPlane, until } from '../../control-plane.ts';

test('a view goes out under the name of its own epoch, also when a higher one has just been taken', async () => {
  const plane = new ControlPlane();
  const { network } = plane;
  const connect = network.connect.bind(network);
  const given: ApplyViewRequest[] = [];
  network.connect = (target) => {
    const link = connect(target);
    return {
      ...link,
      applyView: (request, options) => {
        given.push(request);
        return link.applyView(request, options);
      },
    };
  };
  await plane.start();
  onTestFinished(() => plane.close());
  await plane.join('a', 'b');
  await plane.leader.catalog.update((state) => raiseEpoch(state, 6));
  // Before the turn that makes a view of the new epoch.
  plane.leader.sync.applyAgain();
  await until(() => given.some(({ header }) => header?.epoch === 7), 'the new epoch');
  for (const { header, view } of given) expect(view?.epoch).toBe(header?.epoch);
});

test('no manifest is sent after the lead is lost between two of them', async () => {
  const plane = new ControlPlane();
  const { network } = plane;
  const connect = network.connect.bind(network);
  const given: string[] = [];
  network.connect = (target) => {
    const link = connect(target);
    if (target.nodeId !== 'c') return link;
    return {
      ...link,
      putManifest: (request, options) => {
        given.push(request.manifest?.keyspaceUid ?? '');
        plane.mayOrder = false;
        return link.putManifest(request, options);
      },
    };
  };
  await plane.start();
  onTestFinished(() => plane.close());
  await plane.join('a', 'b');
  await plane.load('prices');
  await plane.load('scores');
  await plane.register(network.add('c'));
  await until(() => given.length > 0, 'a manifest');
  // What is left to send is sent at once.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(given).toHaveLength(1);
});
