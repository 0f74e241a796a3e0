// The settings of SLOWLOG and LATENCY, with the names that they have in Redis.

import { option } from '../../base/config.ts';
import type { SettingsOf } from '../../base/config.ts';

const DAY_MS = 24 * 3_600_000;
export const SLOW_LOG_ENTRIES_MAX = 100_000;

export const timingOptions = {
  slowlogLogSlowerThan: option.duration(
    'commands of the Redis protocol that take at least this long are kept for SLOWLOG; 0: all',
    '10ms',
    { min: 0, max: DAY_MS },
  ),
  slowlogMaxLen: option.count('entries of SLOWLOG; 0: none', 128, {
    min: 0,
    max: SLOW_LOG_ENTRIES_MAX,
  }),
  latencyMonitorThreshold: option.duration(
    'events that take at least this long are kept for LATENCY; 0: none',
    '0',
    { min: 0, max: DAY_MS },
  ),
};

export type TimingSettings = SettingsOf<typeof timingOptions>;

/** Those of a process to which nothing was said. */
export const TIMING_DEFAULTS: TimingSettings = {
  slowlogLogSlowerThan: timingOptions.slowlogLogSlowerThan.defaultValue,
  slowlogMaxLen: timingOptions.slowlogMaxLen.defaultValue,
  latencyMonitorThreshold: timingOptions.latencyMonitorThreshold.defaultValue,
};
