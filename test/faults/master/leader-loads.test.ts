// One load, and three leaders killed in it (row 25): while it parses, while it sends segments, and
// when all of them are acknowledged and it commits.

import { join } from 'node:path';
import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { handOver } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { stepsSoFar } from '../../support/faults/load-steps.ts';
import { MastersFaults } from '../../support/faults/masters-faults.ts';
import { generateSample } from '../../support/inputs/rows.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { stele, SteleProcess, until } from '../../support/process/stele-process.ts';

const ROWS = SHORT ? 500_000 : 5_000_000;
const CHUNK_BYTES = SHORT ? 1 << 20 : 1 << 23;
const SHARDS = 32;
const FLAGS = ['--chunk-size', `${CHUNK_BYTES}`];
let faults: MastersFaults;

describe.skipIf(!hasEtcd())('a load', () => {
  beforeAll(async () => {
    faults = await MastersFaults.start({ datanodes: 3 });
  }, 120_000);
  afterAll(() => faults?.close(), 60_000);

  test(`of ${ROWS} rows whose leader is killed three times has the digest of an undisturbed one`, async () => {
    const { cluster } = faults;
    const file = join(cluster.folder, 'sample.data');
    generateSample(file, ROWS, SEED);
    const undisturbed = await stele(cluster.loadArguments('undisturbed', file, FLAGS));
    expect(undisturbed).toMatchObject({ code: 0 });
    const chunks = Math.floor(statSync(file).size / CHUNK_BYTES);
    // So slow that there is time for three elections while segments are sent.
    const slow = ['--max-bytes-per-second', `${SHORT ? 2 << 20 : 16 << 20}`];
    const load = new SteleProcess(cluster.loadArguments('disturbed', file, [...FLAGS, ...slow]));
    let isOver = false;
    const finished = load.finished().finally(() => (isOver = true));
    const hit: string[] = [];
    for (const wanted of [
      { chunks: chunks >> 1, shards: 0 },
      { chunks: 0, shards: SHARDS >> 2 },
      { chunks: 0, shards: SHARDS },
    ]) {
      // So that the kill comes at once.
      const first = await cluster.leader();
      const isThere = (): boolean => {
        const steps = stepsSoFar(cluster.workDir);
        return steps.chunks >= wanted.chunks && steps.shards >= wanted.shards;
      };
      await until('the load to come that far', () => isOver || isThere(), 300_000, 1);
      const at = isOver ? 'over' : `${stepsSoFar(cluster.workDir).shards} shards`;
      await faults.end(first, 'SIGKILL');
      hit.push(at);
      await cluster.leader([first]);
      await cluster.startMaster(first);
    }
    const { code, stderr } = await finished;
    expect(code, stderr).toBe(0);
    // Datanodes take segments without a master, so it may be over before another leader can be
    // killed.
    expect(hit[0]).not.toBe('over');
    expect(await faults.digest('disturbed')).toBe(await faults.digest('undisturbed'));
    const { versions } = await cluster.ask((admin) => admin.listVersions('disturbed'));
    expect(versions.map(({ version }) => version)).toEqual([1]);
    handOver({
      row: '25',
      fault: `kill -9 of the leader, three times in a load of ${ROWS} rows`,
      trials: 1,
      seen: `killed at ${hit.join(', ')} of ${SHARDS}; the digest of an undisturbed load, one version`,
    });
  });
});
