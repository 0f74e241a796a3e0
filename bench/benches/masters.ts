// Several masters with a large catalog in a real etcd (one member, on this machine): from the start
// of the first master to its answer, changes of that catalog one after the other, and the time in
// which no change is made when the leader hands over to the other master, and when it is killed.

import { join } from 'node:path';
import { silentLogger } from '../../base/log.ts';
import { connectAdmin } from '../../client/admin.ts';
import type { AdminClient } from '../../client/admin.ts';
import { connectEtcd } from '../../master/metadata/etcd/connect.ts';
import { EtcdPlace } from '../../master/metadata/copies/etcd-place.ts';
import { defineBench, ETCD } from '../bench.ts';
import type { Row } from '../bench.ts';
import { catalogEntries, keyspaceName } from '../support/large-catalog.ts';
import { percentile, sleep } from '../support/measure.ts';
import {
  addressOf,
  begin,
  freePort,
  residentBytes,
  startStele,
  stop,
  tempFolder,
} from '../support/processes.ts';
import type { Started } from '../support/processes.ts';

const PREFIX = '/stele/bench/';
const LEASE_SECONDS = 3;
const POLL_MS = 20;
const KEEP = 2;
const MIB = 1024 ** 2;
const SMALL_BYTES = 500;
const NO_ETCD_SECURITY = {
  etcdPrefix: PREFIX,
  etcdCa: '',
  etcdCert: '',
  etcdKey: '',
  etcdUser: '',
  etcdPasswordFile: '',
};

interface Running extends Started {
  readonly admin: AdminClient;
}

export const bench = defineBench({
  about: 'Several masters, with the catalog in etcd',
  needs: [ETCD],
  settings: {
    keyspaces: { whole: 1000, short: 10 },
    versions: { whole: 2, short: 2 },
    shards: { whole: 1024, short: 128 },
    changes: { whole: 1000, short: 20 },
  },
  async run({ changes, keyspaces, shards, versions }) {
    const endpoint = await startEtcd();
    await fill(endpoint, [...catalogEntries(keyspaces, versions, shards)]);
    let startedMs = performance.now();
    const first = await startMaster(endpoint);
    await changed(first.admin);
    const startMs = performance.now() - startedMs;
    const { changesMs, writesMs } = await timesOf(first.admin, endpoint, changes, keyspaces);
    const second = await startMaster(endpoint);
    await following(first.admin);
    // A follower may prepare itself.
    await sleep(2 * startMs);
    const followerBytes = residentBytes(second.pid);
    startedMs = performance.now();
    await again(() => first.admin.stepDown());
    await changed(second.admin);
    const handOverMs = performance.now() - startedMs;
    await sleep(2 * startMs);
    await stop(second, 'SIGKILL');
    startedMs = performance.now();
    await changed(first.admin);
    const takeOverMs = performance.now() - startedMs;
    const row = (what: string, ms: number, wantedMs: number | null = null): Row => ({
      what: [what],
      figures: [ms, wantedMs],
    });
    return [
      {
        caption: `The lease of a leader that is killed lasts ${LEASE_SECONDS} s. Memory: leader ${mib(residentBytes(first.pid))} MiB, follower ${mib(followerBytes)} MiB.`,
        labels: ['what'],
        columns: [
          { title: 'ms', digits: 1, better: 'lower' },
          { title: 'wanted, ms', digits: 0 },
        ],
        rows: [
          row('start of a master, to the first change made', startMs, 10_000),
          row('a change, median', percentile(changesMs, 0.5)),
          row('a change, 99th percentile', percentile(changesMs, 0.99), 50),
          row('a write of etcd alone, median', percentile(writesMs, 0.5)),
          row('a write of etcd alone, 99th percentile', percentile(writesMs, 0.99)),
          row('hand-over, to the first change made', handOverMs),
          row('leader killed, to the first change made', takeOverMs),
        ],
      },
    ];
  },
});

async function startEtcd(): Promise<string> {
  const endpoint = `127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const flags = [
    ['--data-dir', join(tempFolder(), 'etcd')],
    ['--listen-client-urls', `http://${endpoint}`, '--advertise-client-urls', `http://${endpoint}`],
    ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ['--initial-cluster', `default=${peer}`, '--quota-backend-bytes', String(8 * 1024 * MIB)],
  ];
  begin('etcd', flags.flat(), { stdio: 'ignore' });
  return endpoint;
}

async function fill(endpoint: string, entries: Parameters<EtcdPlace['put']>[0]['entries']) {
  const api = connectEtcd({ ...NO_ETCD_SECURITY, etcdEndpoints: endpoint }, silentLogger);
  const place = new EtcdPlace(`etcd://${endpoint}${PREFIX}`, api, PREFIX, silentLogger);
  await again(async () => place.leader());
  await place.put({ revision: 1, entries, restored: false });
  place.close();
}

async function startMaster(endpoint: string): Promise<Running> {
  const started = await startStele([
    ...['master', '--metadata', 'etcd', '--etcd-endpoints', endpoint, '--etcd-prefix', PREFIX],
    ...['--leader-ttl', `${LEASE_SECONDS}s`, '--data-dir', tempFolder()],
  ]);
  return { ...started, admin: connectAdmin(`127.0.0.1:${addressOf(started).grpc}`) };
}

/** Resolves when a change is made. */
function changed(admin: AdminClient): Promise<unknown> {
  return again(() => admin.setKeep(keyspaceName(1), KEEP + 1));
}

async function following(admin: AdminClient): Promise<void> {
  await again(async () => {
    const { masters } = await admin.listMasters();
    if (masters.length < 2) throw new Error('the second master is not listed');
  });
}

async function again<Result>(work: () => Promise<Result>): Promise<Result> {
  const giveUpAtMs = performance.now() + 120_000;
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (performance.now() > giveUpAtMs) throw thrown;
      await sleep(POLL_MS);
    }
  }
}

/**
 * Changes, and after each one a small write of etcd without Stele: less than that is not possible.
 */
async function timesOf(admin: AdminClient, endpoint: string, changes: number, keyspaces: number) {
  const api = connectEtcd({ ...NO_ETCD_SECURITY, etcdEndpoints: endpoint }, silentLogger);
  const changesMs: number[] = [];
  const writesMs: number[] = [];
  for (let change = 0; change < changes; change++) {
    // Each differs from the last one of its keyspace.
    const keep = KEEP + (Math.floor(change / keyspaces) % 2) * 2;
    const name = keyspaceName(1 + (change % keyspaces));
    changesMs.push(await timeMs(() => again(() => admin.setKeep(name, keep))));
    const put = { kind: 'put', key: '/bench/alone', value: 'v'.repeat(SMALL_BYTES) } as const;
    writesMs.push(await timeMs(() => api.transaction({ compares: [], success: [put] })));
  }
  api.close();
  return { changesMs, writesMs };
}

async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
