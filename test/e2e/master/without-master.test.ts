// A cluster without its master: restarted datanodes continue to answer cluster clients from the
// last view, and report its age.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster } from 'ioredis';
import { expect, test } from 'vitest';
import { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { until } from '../../support/process/stele-process.ts';

const rows = new VersionedRows(2000);
const NODES = ['node-0', 'node-1', 'node-2'];

/**
 * The current version of the only keyspace, as stored on a datanode's disk; undefined if there is
 * none.
 */
function savedVersion(folder: string): number | undefined {
  const path = join(folder, 'cluster', 'view');
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  const view = ClusterView.decode(bytes.subarray(bytes.indexOf('\n') + 1));
  return view.keyspaces[0]?.currentVersion;
}

test('all datanodes restart while there is no master, and cluster clients keep reading', async () => {
  const cluster = await TestCluster.holding(rows, ['default'], { shards: 16 });
  try {
    await until('all datanodes have saved the view', () =>
      NODES.every((id) => savedVersion(join(cluster.folder, id)) === 1),
    );
    await cluster.kill('master');
    const urls = NODES.map((id) => `http://127.0.0.1:${cluster.node(id).http}`);
    const text = async (url: string, path: string): Promise<string> =>
      (await fetch(url + path)).text();
    await Promise.all(NODES.map((id) => cluster.kill(id)));
    await Promise.all(NODES.map((id) => cluster.startNode(id)));
    for (const url of urls) {
      await until('it is ready', async () => (await fetch(`${url}/readyz`)).status === 200);
      expect(await text(url, '/readyz?verbose')).toMatch(
        /\[\+\] stale: the master has been silent for .* an earlier process of this datanode was given/,
      );
      expect((await fetch(`${url}/readyz?scope=cluster`)).status).toBe(200);
      const metrics = await text(url, '/metrics');
      expect(metrics).toMatch(/^stele_view_stale 1$/m);
      expect(Number(/^stele_view_age_seconds (\S+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    }
    const client = new Cluster(
      NODES.map((id) => ({ host: '127.0.0.1', port: cluster.node(id).resp })),
    );
    try {
      for (let row = 0; row < rows.count; row += 7) {
        const key = rows.key(row);
        expect(await client.get(key)).toBe(rows.value(key, 1));
      }
      expect(await client.get('no such key')).toBeNull();
    } finally {
      client.disconnect();
    }

    await cluster.startMaster();
    await cluster.status('green');
    const [url = ''] = urls;
    await until('the master is heard', async () =>
      (await text(url, '/metrics')).includes('\nstele_view_stale 0\n'),
    );
    expect(await text(url, '/readyz?verbose')).toMatch(
      /the view is current, and the master is heard/,
    );
    const missing = await fetch(`${url}/nowhere`);
    expect(missing.headers.get('content-type')).toBe('application/problem+json');
    expect(await missing.json()).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  } finally {
    await cluster.close();
  }
});
