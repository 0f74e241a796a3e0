// The leader of three masters is killed, asked to end, or stopped for a while: nobody who reads
// notices, and the next leader takes loads and orders (rows 24 to 24c).

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectLeader } from '../../../master/candidate/remote-leader.ts';
import { handOver, seconds, Trials } from '../../support/faults/fault-table.ts';
import { SHORT } from '../../support/faults/faults.ts';
import { KEYSPACE, MastersFaults, medianMs } from '../../support/faults/masters-faults.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';

const KILLS = SHORT ? 1 : 30;
const FREEZES_MS = SHORT ? [5_000] : [5_000, 30_000, 120_000];
const few = new VersionedRows(500);
let faults: MastersFaults;
let loads = 0;

/** Loads a keyspace of its own and drops it. */
async function load(): Promise<void> {
  const keyspace = `load-${++loads}`;
  expect(await faults.cluster.load(keyspace, few, 1)).toMatchObject({ code: 0 });
  // Unlike a load, a change is refused while nobody leads, and its sender repeats it.
  await until('the drop to be taken', async () => {
    const answer = await faults.change((admin) => admin.dropKeyspace(keyspace));
    return answer === 'taken' || answer.code === 'NOT_FOUND';
  });
}

describe.skipIf(!hasEtcd())('three masters and five datanodes', () => {
  beforeAll(async () => {
    faults = await MastersFaults.start({ datanodes: 5 });
  }, 120_000);
  afterAll(() => faults?.close(), 60_000);

  for (const [row, signal] of [
    ['24', 'SIGKILL'],
    ['24a', 'SIGTERM'],
  ] as const) {
    test(`${KILLS} times the leader gets ${signal}: the next one takes changes and loads`, async () => {
      const reader = await faults.read();
      const trials = new Trials();
      const times: { changed: number; loaded: number }[] = [];
      for (let trial = 0; trial < KILLS; trial++) {
        const first = await faults.cluster.leader();
        const window = reader.begin();
        const startedMs = performance.now();
        const ended = faults.end(first, signal);
        if (signal === 'SIGKILL') await ended;
        // It begins while nobody leads.
        const loaded = load().then(() => performance.now() - startedMs);
        const changed = await faults.changed(startedMs, 2 + (trial % 50));
        times.push({ changed, loaded: await loaded });
        await ended;
        expect(await faults.cluster.leader()).not.toBe(first);
        await faults.startAgain(first);
        await reader.drained();
        trials.add(window.report(), changed);
      }
      await reader.stop();
      const of = (key: 'changed' | 'loaded'): number => medianMs(times.map((each) => each[key]));
      trials.handOver({
        row,
        fault: `${signal} of the leader of three masters`,
        recovered: 'from the signal to a change that the next leader takes',
        seen: `in the middle ${of('changed')} ms; a load that begins at once is through after ${of('loaded')} ms`,
      });
      expect(trials.failures).toEqual([]);
    });
  }

  test.each(FREEZES_MS)(
    'the leader is stopped for %d ms, and orders nothing afterwards',
    async (forMs) => {
      const reader = await faults.read();
      const window = reader.begin();
      const epochs = faults.watchEpochs();
      const first = await faults.cluster.leader();
      const { host, grpc } = faults.cluster.masters[first]!;
      await until('the epochs', () => epochs.least > 0);
      const before = epochs.least;
      await faults.avoid(first);
      const stale = connectLeader(`${host}:${grpc}`);
      const startedMs = performance.now();
      process.kill(faults.cluster.process(`master-${first}`).pid, 'SIGSTOP');
      const changed = await faults.changed(startedMs, 7);
      const next = await faults.cluster.leader([first]);
      await until('the epoch of its successor', () => epochs.least > before);
      const present = epochs.least;
      await until('the end of the fault', () => performance.now() - startedMs > forMs, 2 * forMs);
      // They are in its buffers when it goes on, and none may pass on what asks for the leader
      // itself.
      const held = [41, 42, 43].map((keep) =>
        stale.operations.setKeep({ keyspace: KEYSPACE, keep }).then(
          () => 'taken',
          () => 'refused',
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 200));
      process.kill(faults.cluster.process(`master-${first}`).pid, 'SIGCONT');
      expect(await Promise.all(held)).toEqual(['refused', 'refused', 'refused']);
      await faults.followed(first);
      stale.close();
      await load();
      expect(await faults.keep()).toBe(7);
      expect(await faults.cluster.leader()).toBe(next);
      epochs.stop();
      expect(epochs.hasGoneBack).toBe(false);
      expect(epochs.steps.map((steps) => steps.at(-1))).toEqual(epochs.steps.map(() => present));
      await reader.stop();
      expect(reader.failures).toEqual([]);
      const { failed, reads } = window.report();
      handOver({
        row: '24b',
        fault: `SIGSTOP of the leader for ${FREEZES_MS.map((ms) => ms / 1000).join(', ')} s`,
        trials: FREEZES_MS.length,
        ...{ reads, failed },
        recoverySeconds: seconds(changed),
        recovered: 'from the signal to a change that the next leader takes',
        seen: `it follows after SIGCONT; changes in its buffers refused; the datanodes obey epoch ${present}, and obeyed none before it again`,
      });
    },
  );

  test('all masters are restarted in turn under loads: no read and no load fails', async () => {
    const reader = await faults.read();
    const window = reader.begin();
    const over = new AbortController();
    let through = 0;
    const loading = (async () => {
      for (; !over.signal.aborted; through++) await load();
    })();
    loading.catch(() => undefined); // Looked at below, after the restarts.
    for (const at of [0, 1, 2]) {
      await faults.end(at, 'SIGTERM');
      await faults.startAgain(at);
    }
    over.abort();
    await loading;
    await reader.stop();
    expect(reader.failures).toEqual([]);
    const { failed, reads } = window.report();
    handOver({
      row: '24c',
      fault: 'SIGTERM and start of each of three masters, in turn, under loads',
      trials: 1,
      ...{ reads, failed },
      seen: `${through} loads meanwhile, 0 failed`,
    });
  });
});
