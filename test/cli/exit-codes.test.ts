// The exit code of every verb, and of every action of one, for each class of failure (cli/exit.ts).

import { describe, expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { VERBS, loadAllVerbs } from '../../cli/verbs.ts';
import { startMasterPeer } from '../support/peers/masters.ts';
import { stele } from './run-stele.ts';

/** The words that a verb, or an action of it, needs to be asked of a master. */
const CALLS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  status: [[]],
  keyspaces: [[]],
  versions: [['ks']],
  masters: [[], ['step-down']],
  events: [[], ['ks'], ['-f']],
  loads: [[]],
  archive: [['status'], ['gc']],
  audit: [[]],
  rollback: [['ks']],
  promote: [['ks', '1']],
  keep: [['ks', '3']],
  replication: [['ks', '2']],
  cache: [['ks', 'on']],
  tier: [
    ['ks', 'disk'],
    ['ks', 'memory', '--wait'],
  ],
  diff: [['ks', '1', '2']],
  cost: [['ks']],
  suspend: [['ks']],
  resume: [['ks']],
  keyspace: [['create', 'ks']],
  drop: [
    ['ks', '--yes'],
    ['ks', '--version', '1', '--yes'],
  ],
  nodes: [[], ['--watch']],
  node: [['drain', 'a'], ['resume', 'a'], ['remove', 'a'], ['restart', 'a'], ['restart-all']],
  backup: [['file:///nowhere/archive']],
  shards: [[]],
  ring: [[]],
  top: [[]],
  describe: [
    ['keyspace', 'ks'],
    ['node', 'a'],
    ['shard', '0'],
    ['load', '0123456789abcdef'],
  ],
  explain: [
    ['ks', 'k'],
    ['ks', '--shard', '1'],
  ],
  user: [
    ['list'],
    ['show', 'a'],
    ['roles', 'a', '--role', 'reader'],
    ['disable', 'a'],
    ['enable', 'a'],
    ['remove', 'a'],
  ],
  token: [['create', '--user', 'a'], ['list'], ['revoke', '3f9a1c2b7d0e']],
  role: [['list'], ['add', 'r', '--grant', 'read:*'], ['remove', 'r']],
};

/** Verbs that ask no master, or not first, run one, or go on without one. */
const OTHERS = [
  ...['up', 'load', 'commit', 'cli', 'metadata', 'bench', 'verify', 'config', 'doctor', 'version'],
  ...['completion', 'certs', 'master', 'datanode', 'query', 'upgrade', 'restore', 'follow'],
  ...['build', 'export'],
];

const lines = Object.entries(CALLS).flatMap(([verb, calls]) =>
  calls.map((words) => [verb, ...words]),
);

it('every verb is in one of the lists', () => {
  expect([...Object.keys(CALLS), ...OTHERS].toSorted()).toEqual([...VERBS.keys()].toSorted());
});

describe.each(lines)('stele %s %s %s', (...words) => {
  const line = words.filter((word) => typeof word === 'string');

  it('ends with 4 without a master, and 5 where the user may not', async () => {
    const away = await stele([...line, '--master', '127.0.0.1:1', '-o', 'json']);
    expect(away).toMatchObject({ code: 4, stdout: '' });
    expect(JSON.parse(away.stderr)).toMatchObject({ error: { code: 'UNAVAILABLE' } });
    for (const code of ['PERMISSION_DENIED', 'UNAUTHENTICATED'] as const) {
      const master = await startMasterPeer(new SteleError(code, 'This user may not.'));
      const refused = await stele([...line, '--master', master.address, '-o', 'json']);
      expect(refused).toMatchObject({ code: 5, stdout: '' });
      expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code } });
    }
  });
});

describe('wrong usage ends with 2', () => {
  it('for an unknown flag, and for too many operands, of every verb', async () => {
    for (const { name, operands } of await loadAllVerbs()) {
      const unknown = await stele([name, '--no-such-flag']);
      expect([name, unknown.code]).toEqual([name, 2]);
      if (operands.includes('...')) continue;
      const many = await stele([name, ...Array.from({ length: 6 }, () => 'x')]);
      expect([name, many.code]).toEqual([name, 2]);
    }
  });

  it('for an unknown action of every verb that has some, with the nearest one', async () => {
    for (const { actions, name, operands } of await loadAllVerbs()) {
      const [first = ''] = actions ?? [];
      if (first === '') continue;
      const rest = operands
        .split(' ')
        .slice(1)
        .map(() => 'x');
      const done = await stele([name, `${first}x`, ...rest]);
      expect([name, done.code]).toEqual([name, 2]);
      if (name !== 'certs') expect(done.stderr).toContain(`(Did you mean ${first}?)`);
    }
  });
});
