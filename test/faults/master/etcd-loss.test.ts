// The etcd of three masters is gone for a while (rows 26 and 26a), a master has the wrong prefix
// (26b), and etcd comes back empty (26c).

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handOver, seconds } from '../../support/faults/fault-table.ts';
import { SHORT } from '../../support/faults/faults.ts';
import { KEYSPACE, MastersFaults } from '../../support/faults/masters-faults.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';

/** Longer than the lease of a leader. */
const AWAY_MS = SHORT ? 5_000 : 60_000;
/** Longer than a view is held that is not as good as the present one. */
const EMPTY_MS = 15_000;
const DATANODES = 3;
/** A datanode is doubted, or something is copied or dropped. */
const MOVES = /"state":"(?:SUSPECT|DOWN)"|are being copied|were dropped/;
const EMPTY = /catalog of the master is empty.*stele metadata restore/;
const LOST = /catalog below .* in etcd is empty.*stele metadata restore/;
let faults: MastersFaults;

const tryKeep = async (keep: number, at?: number) => {
  const startedMs = performance.now();
  const answer = await faults.change((admin) => admin.setKeep(KEYSPACE, keep), at);
  return { answer, tookMs: performance.now() - startedMs };
};

describe.skipIf(!hasEtcd())('the etcd of three masters', () => {
  beforeAll(async () => {
    faults = await MastersFaults.start({ datanodes: DATANODES, etcdMembers: SHORT ? 1 : 3 });
  }, 120_000);
  afterAll(() => faults?.close(), 60_000);

  for (const [row, signal] of [
    ['26', 'SIGKILL'],
    ['26a', 'SIGSTOP'],
  ] as const) {
    test(`${signal} of all members for ${AWAY_MS} ms: reads go on, changes are refused with the reason`, async () => {
      const { cluster } = faults;
      const { members } = cluster.etcd;
      await cluster.serving(DATANODES);
      await faults.changed(performance.now(), 5);
      const moved = faults.logged(MOVES);
      const files = faults.files();
      const reader = await faults.read();
      const window = reader.begin();
      if (signal === 'SIGKILL') await Promise.all(members.map((member) => member.kill()));
      else for (const member of members) member.signal('SIGSTOP');
      const awayMs = performance.now();
      const tries = [await tryKeep(11)];
      while (performance.now() - awayMs < AWAY_MS) {
        for (const at of [undefined, 0, 1, 2]) tries.push(await tryKeep(12, at));
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      const slowestMs = Math.max(...tries.map(({ tookMs }) => tookMs));
      console.log(`  ${tries.length} changes refused, each within ${Math.round(slowestMs)} ms:`);
      const said = tries.map(({ answer }) => (answer === 'taken' ? answer : answer.message));
      for (const text of new Set(said)) console.log(`    ${text}`);
      for (const { answer } of tries) {
        expect(answer).toMatchObject({
          code: expect.stringMatching(/^(?:UNAVAILABLE|OUTCOME_UNKNOWN)$/) as string,
          message: expect.stringContaining('etcd') as string,
        });
      }
      const backMs = performance.now();
      const mended = cluster.etcd.mend();
      const recoveryMs = await faults.changed(backMs, 6);
      await mended;
      await cluster.serving(DATANODES);
      const servingMs = performance.now() - backMs;
      for (const at of [0, 1, 2]) await faults.followed(at);
      expect(await faults.keep()).toBe(6);
      await reader.stop();
      expect(reader.failures).toEqual([]);
      expect(faults.logged(MOVES)).toEqual(moved);
      expect(faults.files()).toEqual(files);
      const { failed, reads } = window.report();
      handOver({
        row,
        fault: `${signal} of the etcd of three masters, for ${AWAY_MS / 1000} s`,
        trials: 1,
        ...{ reads, failed },
        recoverySeconds: seconds(recoveryMs),
        recovered: 'from its return to a change that is taken',
        seen: `${tries.length} changes refused with the reason, in ${seconds(slowestMs)} s at most; all serve ${seconds(servingMs)} s after its return; no datanode doubted, no file copied`,
      });
    });
  }

  test('a master with another prefix does not take the datanodes, and says why', async () => {
    const { cluster } = faults;
    const { grpc, host } = await cluster.startStranger('/stele/typo/');
    await cluster.kill('node-0');
    await cluster.startNode(0, `${host}:${grpc}`);
    for (const name of ['node-0', 'stranger']) {
      await until(`the log of ${name}`, () => EMPTY.test(cluster.log(name)));
      expect(cluster.log(name)).toMatch(/--etcd-prefix/);
    }
    await cluster.kill('node-0');
    await cluster.kill('stranger');
    await cluster.startNode(0);
    await cluster.serving(DATANODES);
    handOver({
      row: '26b',
      fault: 'a master with another --etcd-prefix, and a datanode that is told to follow it',
      trials: 1,
      seen: 'refused, and told by both; with the right masters it serves again',
    });
  });

  test('its data is lost: the datanodes keep theirs, answer, and both sides say how to restore', async () => {
    const { cluster } = faults;
    const files = faults.files();
    const reader = await faults.read();
    const window = reader.begin();
    await cluster.etcd.lose();
    const lostMs = performance.now();
    for (const id of ['master-0', 'master-1', 'master-2', ...faults.ids]) {
      await until(`${id} to say so`, () => LOST.test(cluster.log(id)), 30_000);
    }
    await until('the time of a view', () => performance.now() - lostMs > EMPTY_MS, 2 * EMPTY_MS);
    await reader.stop();
    expect(reader.failures).toEqual([]);
    expect(faults.files()).toEqual(files);
    const { failed, reads } = window.report();
    handOver({
      row: '26c',
      fault: 'the data of etcd is lost, and it starts empty',
      trials: 1,
      ...{ reads, failed },
      seen: 'told by each master and by each datanode, with how to restore; no file dropped',
    });
  });
});
