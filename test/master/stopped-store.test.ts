// The master's machine is switched off after the first, the second ... and so on of the commits
// that a change takes, for all of them: the next master comes to the same end as one that was not
// disturbed.

import type { KeyspaceUid } from '../../base/ids.ts';
import { versionId } from '../../master/catalog/records.ts';
import { asUid } from '../support/test-ids.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { ControlPlane, until } from './control-plane.ts';

/** More commits than any change needs. */
const COMMITS_MAX = 12;

let plane: ControlPlane;
beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
});
afterEach(() => plane.close());

/** A change, what makes it, and when it is complete. */
interface Procedure {
  readonly begin: () => Promise<unknown>;
  readonly isOver: () => boolean;
}

const catalog = () => plane.leader.catalog.state;
const uidOf = (name: string): KeyspaceUid =>
  [...catalog().keyspace.values()].find((one) => one.name === name)?.uid ?? asUid('');
const observed = (name: string): string | undefined => plane.leader.observed(uidOf(name))?.state;
const noted = (name: string): string | undefined => catalog().observed.get(uidOf(name))?.state;

const PROCEDURES: Readonly<Record<string, Procedure>> = {
  'the delete of a keyspace': {
    begin: () => plane.operations.dropKeyspace({ keyspace: 'prices' }),
    isOver: () => uidOf('prices') === '',
  },
  'the drop of a version': {
    begin: () => plane.operations.dropVersion({ keyspace: 'prices', version: 1 }),
    isOver: () =>
      catalog().version.get(versionId(uidOf('prices'), 1))?.state === 'DELETED' &&
      !catalog().manifest.has(versionId(uidOf('prices'), 1)),
  },
  'a suspend': {
    begin: () => plane.operations.suspendKeyspace({ keyspace: 'prices' }),
    isOver: () => observed('prices') === 'SUSPENDED' && noted('prices') === 'SUSPENDED',
  },
  'a resume': {
    begin: async () => {
      await plane.operations.suspendKeyspace({ keyspace: 'other' });
      await plane.operations.resumeKeyspace({ keyspace: 'other' });
    },
    isOver: () =>
      observed('other') === 'RUNNING' &&
      catalog().keyspace.get(uidOf('other'))?.desired.suspended === false &&
      ['RUNNING', undefined].includes(noted('other')),
  },
};

/** The state that must be the same at the end, wherever the store stopped. */
function endState(): unknown {
  const { keyspace, manifest, observed: found, version } = catalog();
  const segments = [...plane.network.nodes.values()].map((node) =>
    [...node.segments.keys()].sort(),
  );
  const records = [...keyspace.values()]
    .map(({ desired, name, state }) => ({ desired, name, state }))
    .sort((left, right) => left.name.localeCompare(right.name));
  return {
    records,
    versions: [...version].map(([id, { state }]) => `${id.slice(id.indexOf('/'))} ${state}`).sort(),
    manifests: manifest.size,
    // A keyspace that runs needs no record of that, and may have one.
    states: [...found.values()].map(({ state }) => state).filter((state) => state !== 'RUNNING'),
    segments: segments.map((names) => names.length),
    parked: [...plane.network.nodes.values()].map(({ parked }) => parked.size),
  };
}

async function begun(): Promise<void> {
  await plane.join('a', 'b', 'c');
  await plane.load('prices');
  await plane.load('prices');
  await plane.load('other');
  await until(() => plane.leader.health.status === HealthStatus.GREEN, 'green');
}

/** Carries it out with a master whose store stops after `commits`, until it is over or stopped. */
async function stoppedAfter(
  commits: number,
  { begin, isOver }: Procedure,
): Promise<{ readonly isStopped: boolean; readonly isAcknowledged: boolean }> {
  plane.metadata.left = commits;
  const isAcknowledged = await begin().then(
    () => true,
    () => false,
  );
  await until(() => plane.metadata.isStopped || isOver(), `its end, or its stop at ${commits}`);
  return { isStopped: plane.metadata.isStopped, isAcknowledged };
}

describe.each(Object.entries(PROCEDURES))('%s', (_name, procedure) => {
  test('comes to the same end after a stop behind each of its commits', async () => {
    await begun();
    await procedure.begin();
    await until(procedure.isOver, 'undisturbed');
    const undisturbed = endState();
    await plane.close();
    let commits = 0;
    for (; commits < COMMITS_MAX; commits++) {
      plane = new ControlPlane();
      await plane.start();
      await begun();
      const { isAcknowledged, isStopped } = await stoppedAfter(commits, procedure);
      if (!isStopped) break;
      await plane.stop();
      await plane.start();
      await plane.join('a', 'b', 'c');
      // An acknowledged change continues by itself.
      if (!isAcknowledged) await procedure.begin();
      await until(procedure.isOver, `the end, stopped after ${commits} commits`);
      expect(endState(), `stopped after ${commits} commits`).toEqual(undisturbed);
      await plane.close();
    }
    expect(commits).toBeGreaterThan(1);
    expect(commits).toBeLessThan(COMMITS_MAX);
  });
});
