// The settings of a master.

import { accessOptions } from '../access/access-settings.ts';
import { storeOptions } from '../archive/store-settings.ts';
import { option, settingsOf } from '../base/config.ts';
import type { SettingsValues } from '../base/config.ts';
import {
  CONNECTIONS_MAX_DEFAULT,
  REPLICATION_DEFAULT,
  REPLICATION_MAX,
  SHARD_COUNT_DEFAULT,
  SHARD_COUNT_MAX,
} from '../base/limits.ts';
import { LOG_LEVELS } from '../base/log.ts';
import { timingOptions } from '../resp/commands/timing-settings.ts';
import { tlsOptions } from '../transport/tls/tls-settings.ts';

const GIB = 1024 ** 3;
const MINUTE_MS = 60_000;

/** What masters and query nodes have in common: they answer reads. */
const serving = {
  host: option.text('address to listen on', '127.0.0.1', { placeholder: 'ADDRESS' }),
  httpPort: option.port('HTTP (0: a free port)', 9000),
  respPort: option.port('Redis protocol (0: a free port)', 7379),
  grpcPort: option.port('gRPC (0: a free port)', 8400),
  ...tlsOptions,
  ...accessOptions,
  httpAllowedHosts: option.list(
    'host names under which browsers may use the HTTP port (.example.com: all below; *: any)',
    { placeholder: 'NAME' },
  ),
  zone: option.text('zone of this process: reads prefer copies in it', '', {
    placeholder: 'ZONE',
  }),
  cacheMax: option.bytes('bytes of values cached for reads; 0: no cache', '256MiB', {
    min: 0,
    max: 1024 * GIB,
  }),
  lookupDeadline: option.duration('deadline of a read, all retries together', '1s', {
    min: 10,
    max: MINUTE_MS,
  }),
  connectionsMax: option.count(
    'maximum connections for each of HTTP, RESP and gRPC',
    CONNECTIONS_MAX_DEFAULT,
    {
      min: 1,
      max: 1_000_000,
    },
  ),
  ...timingOptions,
  logLevel: option.choice('how much to log', LOG_LEVELS, 'info'),
};

/** How etcd is reached with TLS and users. */
export const etcdAccessOptions = {
  etcdCa: option.text('certificate authority of etcd, a PEM file: connects with TLS', '', {
    placeholder: 'FILE',
  }),
  etcdCert: option.text('certificate for etcd, a PEM file', '', {
    placeholder: 'FILE',
  }),
  etcdKey: option.text('its key, a PEM file', '', { placeholder: 'FILE' }),
  etcdUser: option.text('user of etcd', '', { placeholder: 'USER' }),
  etcdPasswordFile: option.text("file with that user's password", '', { placeholder: 'FILE' }),
};

/** Which etcd several masters share, and how they elect a leader. */
export const etcdOptions = {
  etcdEndpoints: option.addresses('addresses of etcd, for --metadata etcd', '127.0.0.1:2379'),
  etcdPrefix: option.text('prefix of this cluster in etcd', '/stele/default/', {
    placeholder: 'PREFIX',
  }),
  ...etcdAccessOptions,
  leaderTtl: option.duration(
    'lease of the leader among several masters: the next one is elected so long after it has died',
    '3s',
    { min: 1_000, max: MINUTE_MS },
  ),
};

/** Schema of `stele master`'s options. */
export const masterSettings = settingsOf({
  ...serving,
  adminPasswordFile: option.text(
    'file with the password of the user admin, who is made if --auth is on and no user has the right admin; made with a random one if there is no such file; default: DATA-DIR/admin-password',
    '',
    { placeholder: 'FILE' },
  ),
  dataDir: option.text('folder of the catalog', '.stele/master', { placeholder: 'DIR' }),
  metadata: option.choice(
    'where the catalog is kept: in the data folder, or in an etcd that several masters share',
    ['embedded', 'etcd'],
    'embedded',
  ),
  ...etcdOptions,
  announceHost: option.text('host under which other masters reach this one', '', {
    placeholder: 'HOST',
  }),
  announceGrpcPort: option.port('gRPC port under which they do; 0: the listening one', 0),
  replication: option.count('copies of every shard', REPLICATION_DEFAULT, {
    min: 1,
    max: REPLICATION_MAX,
  }),
  shards: option.count(
    'shards of a new cluster, a power of two; fixed afterwards',
    SHARD_COUNT_DEFAULT,
    { min: 1, max: SHARD_COUNT_MAX },
  ),
  virtualNodes: option.count(
    "virtual nodes per unit of a datanode's weight; a change moves data; 0: unchanged, one per shard at first",
    0,
    { min: 0, max: SHARD_COUNT_MAX },
  ),
  heartbeatInterval: option.duration('interval of heartbeats to each datanode', '500ms', {
    min: 20,
    max: MINUTE_MS,
  }),
  heartbeatDeadline: option.duration('time to answer a heartbeat', '1s', {
    min: 20,
    max: MINUTE_MS,
  }),
  suspectMisses: option.count('missed heartbeats after which reads go elsewhere', 1, {
    min: 1,
    max: 100,
  }),
  downMisses: option.count('missed heartbeats after which a datanode is down', 3, {
    min: 1,
    max: 100,
  }),
  repairDelay: option.duration('time that a datanode is down before its shards are copied', '10s', {
    min: 0,
    max: 24 * 60 * MINUTE_MS,
  }),
  retireDelay: option.duration(
    'time that a retired version stays on the datanodes, for reads in progress',
    '5s',
    { min: 0, max: 60 * MINUTE_MS },
  ),
  repairBytesPerSecond: option.bytes('copy rate per datanode; 0: unlimited', '64MiB', {
    min: 0,
    max: 100 * GIB,
  }),
  mergeBytesPerSecond: option.bytes('merge rate of deltas per datanode; 0: unlimited', '64MiB', {
    min: 0,
    max: 100 * GIB,
  }),
  deepStore: option.text(
    'folder or bucket that keeps a copy of everything committed: file:///path or s3://bucket/prefix',
    '',
    { placeholder: 'URL' },
  ),
  ...storeOptions,
  archiveBytesPerSecond: option.bytes(
    'how fast each datanode writes into the deep store; 0: unlimited',
    '64MiB',
    { min: 0, max: 100 * GIB },
  ),
  archiveGrace: option.duration(
    'how long the deep store keeps what no kept version needs any more',
    '48h',
    { min: 1_000, max: 365 * 24 * 60 * MINUTE_MS },
  ),
  copiesPerNode: option.count('large segments copied to one datanode at a time', 4, {
    min: 1,
    max: 64,
  }),
});

export type MasterSettings = SettingsValues<typeof masterSettings>;

/** Schema of `stele query`'s options. */
export const querySettings = settingsOf({
  master: option.addresses('gRPC addresses of the masters', '127.0.0.1:8400'),
  ...serving,
});

export type QuerySettings = SettingsValues<typeof querySettings>;
