// What can be set on a master.

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

const GIB = 1024 ** 3;
const MINUTE_MS = 60_000;

/** Schema of `stele master`'s options. */
export const masterSettings = settingsOf({
  dataDir: option.text('folder of the catalog', '.stele/master', { placeholder: 'DIR' }),
  host: option.text('address to listen on', '127.0.0.1', { placeholder: 'ADDRESS' }),
  httpPort: option.port('HTTP (0: a free port)', 9000),
  respPort: option.port('Redis protocol (0: a free port)', 7379),
  grpcPort: option.port('gRPC (0: a free port)', 8400),
  httpAllowedHosts: option.list(
    'host names under which browsers may use the HTTP port (.example.com: all below; *: any)',
    { placeholder: 'NAME' },
  ),
  metadata: option.choice('where the catalog is kept', ['embedded'], 'embedded'),
  zone: option.text('zone of this master: reads go to copies in it where there are any', '', {
    placeholder: 'ZONE',
  }),
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
    "virtual nodes per unit of a datanode's weight; another number moves data; 0: as before, at first one a shard",
    0,
    { min: 0, max: SHARD_COUNT_MAX },
  ),
  heartbeatInterval: option.duration('how often each datanode is asked whether it lives', '500ms', {
    min: 20,
    max: MINUTE_MS,
  }),
  heartbeatDeadline: option.duration('how long it has to answer', '1s', {
    min: 20,
    max: MINUTE_MS,
  }),
  suspectMisses: option.count('missed heartbeats until reads go elsewhere', 1, {
    min: 1,
    max: 100,
  }),
  downMisses: option.count('missed heartbeats until a datanode is down', 3, { min: 1, max: 100 }),
  repairDelay: option.duration('how long a datanode is down before its shards are copied', '10s', {
    min: 0,
    max: 24 * 60 * MINUTE_MS,
  }),
  retireDelay: option.duration(
    'how long a version that has left stays on the datanodes, for reads that have begun',
    '5s',
    { min: 0, max: 60 * MINUTE_MS },
  ),
  repairBytesPerSecond: option.bytes('copying per datanode; 0: unlimited', '64MiB', {
    min: 0,
    max: 100 * GIB,
  }),
  mergeBytesPerSecond: option.bytes('merging deltas per datanode; 0: unlimited', '64MiB', {
    min: 0,
    max: 100 * GIB,
  }),
  copiesPerNode: option.count('large segments copied to one datanode at a time', 4, {
    min: 1,
    max: 64,
  }),
  cacheMax: option.bytes('bytes of values cached for reads; 0: no cache', '256MiB', {
    min: 0,
    max: 1024 * GIB,
  }),
  lookupDeadline: option.duration('how long a read is tried, all retries together', '1s', {
    min: 10,
    max: MINUTE_MS,
  }),
  connectionsMax: option.count(
    'connections accepted, HTTP, RESP and gRPC each',
    CONNECTIONS_MAX_DEFAULT,
    {
      min: 1,
      max: 1_000_000,
    },
  ),
  logLevel: option.choice('how much to log', LOG_LEVELS, 'info'),
});

export type MasterSettings = SettingsValues<typeof masterSettings>;
