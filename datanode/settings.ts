// The settings of a datanode.

import { accessOptions } from '../access/access-settings.ts';
import { option, settingsOf } from '../base/config.ts';
import type { SettingsValues } from '../base/config.ts';
import { SteleError } from '../base/errors.ts';
import {
  CONNECTIONS_MAX_DEFAULT,
  DISK_CACHE_BYTES_MIN,
  WEIGHT_MAX,
  WEIGHT_MIN,
} from '../base/limits.ts';
import { LOG_LEVELS } from '../base/log.ts';
import { memoryMaxDefault } from '../base/process/usable-memory.ts';
import { formatBytes } from '../base/units.ts';
import { timingOptions } from '../resp/commands/timing-settings.ts';
import { tlsOptions } from '../transport/tls/tls-settings.ts';

const TIB = 1024 ** 4;

/** Schema of `stele datanode`'s options. */
export const datanodeSettings = settingsOf({
  id: option.text('name of this datanode, the same at every start', '', { placeholder: 'NAME' }),
  master: option.addresses(
    'gRPC address of the master; of several masters, all, with commas',
    '127.0.0.1:8400',
  ),
  dataDir: option.text('folder for segments', '.stele/datanode', { placeholder: 'DIR' }),
  host: option.text('address to listen on', '127.0.0.1', { placeholder: 'ADDRESS' }),
  announceHost: option.text('address that others dial; default: the listening one', '', {
    placeholder: 'HOST',
  }),
  announceHttpPort: option.port('HTTP port that others dial; 0: the listening one', 0),
  announceRespPort: option.port('the same for the Redis protocol', 0),
  announceGrpcPort: option.port('the same for gRPC', 0),
  httpPort: option.port('health and metrics (0: a free port)', 9001),
  respPort: option.port('Redis protocol (0: a free port)', 7380),
  grpcPort: option.port('gRPC (0: a free port)', 8401),
  ...tlsOptions,
  ...accessOptions,
  zone: option.text('failure zone; replicas go to different zones if there are several', '', {
    placeholder: 'ZONE',
  }),
  weight: option.count(
    'size relative to other datanodes; one of 2 holds twice as much as one of 1',
    1,
    {
      min: WEIGHT_MIN,
      max: WEIGHT_MAX,
    },
  ),
  restartable: option.flag(
    'this process is started again when it ends, so the master may restart it',
  ),
  memoryMax: option.bytes(
    'memory that this process may take: segments, indexes, caches, and what it needs beside data',
    String(memoryMaxDefault()),
    { min: 1024 * 1024, max: 64 * TIB },
    {
      defaultText:
        'three quarters of the memory of the machine or container and 128 MiB, at most seven eighths',
    },
  ),
  diskCache: option.optionalBytes(
    'memory, as a part of --memory-max, for records of the disk tier that were read lately; 0: none',
    { min: 0, max: 64 * TIB },
    { defaultText: 'a quarter of --memory-max' },
  ),
  diskReserve: option.bytes('disk space that is always left free', '256MiB', { min: 0, max: TIB }),
  diskIo: option.choice(
    'how records of the disk tier are read. buffered: through the page cache; direct: past it (O_DIRECT)',
    ['buffered', 'direct'],
    'buffered',
  ),
  diskThreads: option.count('threads that read from disk: so many reads wait for it at a time', 8, {
    min: 1,
    max: 256,
  }),
  copyConcurrency: option.count('segments fetched from peers at a time', 4, { min: 1, max: 64 }),
  serveWithoutMasterMax: option.duration(
    'how long reads are answered by a view that may be outdated; 0: no limit',
    '0s',
    { min: 0, max: 365 * 24 * 3_600_000 },
  ),
  intakeBrake: option.choice(
    'on: incoming segments (loads, copies) are throttled while they make readers wait; off: never',
    ['on', 'off'],
    'on',
  ),
  scrubBytesPerSecond: option.bytes(
    'how fast copies in memory and on disk are verified in the background; 0: never',
    '32MiB',
    { min: 0, max: TIB },
  ),
  scrubInterval: option.duration('least interval between two complete verifications', '1h', {
    min: 100,
    max: 365 * 24 * 3_600_000,
  }),
  connectionsMax: option.count(
    'limit of connections, for each of RESP, gRPC and lookups',
    CONNECTIONS_MAX_DEFAULT,
    {
      min: 1,
      max: 1_000_000,
    },
  ),
  ...timingOptions,
  logLevel: option.choice('how much to log', LOG_LEVELS, 'info'),
});

export type DatanodeSettings = SettingsValues<typeof datanodeSettings>;

/** A quarter of the memory; none if that is too little. */
function diskCacheDefault(memoryMax: number): number {
  const quarter = Math.floor(memoryMax / 4);
  return quarter < DISK_CACHE_BYTES_MIN ? 0 : quarter;
}

/** The memory of a node, and the part of it for records of the disk tier. Throws INVALID_ARGUMENT. */
export function memoryLimits({
  memoryMax,
  diskCache = diskCacheDefault(memoryMax),
}: Pick<DatanodeSettings, 'diskCache' | 'memoryMax'>): {
  readonly memoryMaxBytes: number;
  readonly diskCacheBytes: number;
} {
  if (diskCache > memoryMax) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--disk-cache ${formatBytes(diskCache)} is more than --memory-max ${formatBytes(memoryMax)}, which it is a part of; lower it, or raise --memory-max.`,
    );
  }
  if (diskCache > 0 && diskCache < DISK_CACHE_BYTES_MIN) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--disk-cache ${formatBytes(diskCache)} is too small; use ${formatBytes(DISK_CACHE_BYTES_MIN)} or more, or 0 for none.`,
    );
  }
  return { memoryMaxBytes: memoryMax, diskCacheBytes: diskCache };
}
