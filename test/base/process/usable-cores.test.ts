import { describe, expect, it } from 'vitest';
import { usableCores } from '../../../base/process/usable-cores.ts';

const ofFiles =
  (files: Readonly<Record<string, string>>) =>
  (path: string): string | undefined =>
    files[path];

describe('the usable processors', () => {
  it.each([
    ['those of the machine where there are no control groups', {}, 8],
    [
      'the quota of version 2',
      { '/proc/self/cgroup': '0::/a/b', '/sys/fs/cgroup/a/b/cpu.max': '250000 100000' },
      2,
    ],
    [
      'the quota of a group around it',
      {
        '/proc/self/cgroup': '0::/a/b',
        '/sys/fs/cgroup/a/b/cpu.max': 'max 100000',
        '/sys/fs/cgroup/a/cpu.max': '300000 100000',
      },
      3,
    ],
    [
      'the quota at the root of a container, whose path is that of the machine',
      { '/proc/self/cgroup': '0::/docker/0123', '/sys/fs/cgroup/cpu.max': '100000 100000' },
      1,
    ],
    [
      'one where the quota is less',
      { '/proc/self/cgroup': '0::/', '/sys/fs/cgroup/cpu.max': '20000 100000' },
      1,
    ],
    [
      'the quota of version 1',
      {
        '/proc/self/cgroup': '3:memory:/m\n2:cpu,cpuacct:/c\n0::/',
        '/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us': '400000',
        '/sys/fs/cgroup/cpu/c/cpu.cfs_period_us': '100000',
      },
      4,
    ],
    [
      'those of the machine without a quota',
      {
        '/proc/self/cgroup': '2:cpu:/c',
        '/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us': '-1',
        '/sys/fs/cgroup/cpu/c/cpu.cfs_period_us': '100000',
      },
      8,
    ],
  ])('are %s', (_name, files, cores) => {
    expect(usableCores(8, ofFiles(files as Record<string, string>))).toBe(cores);
  });

  it('are at least one here', () => {
    expect(usableCores()).toBeGreaterThanOrEqual(1);
  });
});
