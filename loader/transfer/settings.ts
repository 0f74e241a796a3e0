// The settings that a backup and a restore share.

import { option } from '../../base/config.ts';
import type { SettingsOf } from '../../base/config.ts';
import { storeOptions } from '../../archive/store-settings.ts';
import { userOptions } from '../../transport/client-identity.ts';
import { tlsOptions } from '../../transport/tls/tls-settings.ts';

const TRANSFERS_MAX = 64;
const HOUR_MS = 3_600_000;

export const transferOptions = {
  master: option.addresses(
    'gRPC address of the master; of several masters, all, with commas',
    '127.0.0.1:8400',
  ),
  limitRate: option.bytes('bytes copied per second; 0: no limit', '0', {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  }),
  transfers: option.count('segments copied at the same time', 8, { min: 1, max: TRANSFERS_MAX }),
  replicaWait: option.duration('how long to wait for datanodes that are away', '60s', {
    min: 0,
    max: HOUR_MS,
  }),
  dryRun: option.flag('say what would be copied, and change nothing'),
  ...storeOptions,
  ...tlsOptions,
  ...userOptions,
};

export type TransferSettings = SettingsOf<typeof transferOptions>;

/** Bytes of segments in memory at the same time. */
export const SEGMENT_MEMORY_BYTES = 256 * 1024 * 1024;
/** Of an export: segments, and the files that are made from them. */
export const EXPORT_MEMORY_BYTES = 512 * 1024 * 1024;
