import { expect, test } from 'vitest';
import { compareReleases, processesOf } from '../../../cli/upgrade/releases.ts';

test('releases are ordered as Semantic Versioning orders them', () => {
  const ordered = [
    ...['0.1.0', '0.2.0-alpha', '0.2.0-alpha.1', '0.2.0-alpha.beta', '0.2.0-beta.2'],
    ...['0.2.0-beta.11', '0.2.0-rc.1', '0.2.0', '0.10.0', '1.0.0'],
  ];
  expect(ordered.toReversed().toSorted(compareReleases)).toEqual(ordered);
  expect(compareReleases('1.0.0+linux', '1.0.0+other')).toBe(0);
});

test('processes are the masters, then the datanodes, each with its release if it tells one', () => {
  const master = { leads: true, since: '', epoch: 1, viewLag: 0, trouble: '' };
  const nodes = [{ node: { id: 'node-0' } }, { node: { id: 'node-1' }, release: '0.2.0' }];
  const masters = [{ ...master, address: '', release: '0.3.0' }];
  expect(processesOf({ masters }, { nodes: nodes as never }, 'here:1')).toEqual([
    { title: 'master here:1', role: 'master', name: 'here:1', release: '0.3.0' },
    { title: 'datanode node-0', role: 'datanode', name: 'node-0', release: undefined },
    { title: 'datanode node-1', role: 'datanode', name: 'node-1', release: '0.2.0' },
  ]);
});
