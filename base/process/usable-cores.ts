// The processors that this process may use, with the limit of its container: a quota of time, which
// availableParallelism() respects only from Node.js 24 on. More threads than that are stopped
// together when the quota is used up, and readers wait with them.
//
//   version 2:  /proc/self/cgroup 0::/a/b        /sys/fs/cgroup/a/b/cpu.max, /sys/fs/cgroup/a/cpu.max ...
//   version 1:  /proc/self/cgroup 1:cpu:/a/b     /sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us ...
//
// Inside a container the path may be that of the machine, of which only the end, the root, is
// there.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

type ReadText = (path: string) => string | undefined;

/** The number of processors that this process can use, at least 1. */
export function usableCores(cores = availableParallelism(), read: ReadText = readText): number {
  const quotas = foldersOf(read('/proc/self/cgroup') ?? '').map((folder) => quotaOf(folder, read));
  return Math.max(1, Math.floor(Math.min(cores, ...quotas)));
}

/** The folders of this process's control group and those around it, that may limit processors. */
function foldersOf(groups: string): string[] {
  return groups.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || controllers === undefined) return [];
    if (controllers === '') return upwards(ROOT, path);
    return controllers.split(',').includes('cpu') ? upwards(join(ROOT, 'cpu'), path) : [];
  });
}

function upwards(root: string, path: string): string[] {
  const folder = join(root, path);
  return path === '/' ? [folder] : [folder, ...upwards(root, dirname(path))];
}

/** In processors; Infinity without a limit. */
function quotaOf(folder: string, read: ReadText): number {
  const [quota, period] =
    read(join(folder, 'cpu.max'))?.split(' ') ??
    ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) => read(join(folder, name)));
  const cores = Number(quota) / Number(period);
  return cores > 0 ? cores : Infinity;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Expected: other systems, and folders of the machine that a container does not see.
    return undefined;
  }
}
