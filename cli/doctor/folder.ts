// The data folder: whether it can be written to, what it lies on, and how much room there is.

import { existsSync, mkdtempSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { systemErrorCode } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { fail, ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

const MiB = 1024 ** 2;
const FREE_BYTES_LOW = 1024 * MiB;
const FREE_BYTES_MIN = 128 * MiB;

/** File systems by their number in statfs(2), and what is wrong with them for data, if anything. */
const FILE_SYSTEMS: ReadonlyMap<number, readonly [name: string, trouble: string]> = new Map([
  [0xef53, ['ext4', '']],
  [0x58465342, ['XFS', '']],
  [0x9123683e, ['Btrfs', '']],
  [0x2fc12fc1, ['ZFS', '']],
  [0x01021994, ['tmpfs', 'it is memory, and empty after a restart of the machine']],
  [0x794c7630, ['overlay', 'it is the layer of a container, and goes with it']],
  [0x6969, ['NFS', 'a pause of the network stops writes, and locks depend on the server']],
  [0x517b, ['SMB', 'locks and renames depend on the server']],
  [0xff534d42, ['CIFS', 'locks and renames depend on the server']],
  [0x65735546, ['FUSE', 'locks, renames and fsync depend on its program']],
]);

export function checkFolder(path: string): Finding[] {
  const folder = resolve(path);
  const existing = nearestExisting(folder);
  if (!statSync(existing).isDirectory()) {
    const text = `${existing} is a file`;
    return [fail('data folder', text, 'Name a folder with --data-dir.')];
  }
  const rights = checkRights(folder, existing);
  return [rights, fileSystem(existing), room(existing)];
}

function nearestExisting(folder: string): string {
  let at = folder;
  while (!existsSync(at)) at = dirname(at);
  return at;
}

function checkRights(folder: string, existing: string): Finding {
  try {
    const probe = mkdtempSync(join(existing, '.stele-doctor-'));
    try {
      writeFileSync(join(probe, 'probe'), 'x', { flush: true });
    } finally {
      rmSync(probe, { recursive: true, force: true });
    }
    return ok('data folder', folder === existing ? folder : `${folder}, which can be made`);
  } catch (thrown) {
    const text = `${existing} cannot be written to (${systemErrorCode(thrown) ?? 'unknown'})`;
    return fail(
      'data folder',
      text,
      'Give it to the user that runs Stele, or name another with --data-dir.',
    );
  }
}

function fileSystem(folder: string): Finding {
  const { type } = statfsSync(folder);
  const [name, trouble] = FILE_SYSTEMS.get(type) ?? [`number 0x${type.toString(16)}`, ''];
  if (trouble === '') return ok('file system', name);
  return warn(
    'file system',
    `${name}: ${trouble}`,
    'Use a local disk, or a volume of the container.',
  );
}

function room(folder: string): Finding {
  const { bavail, blocks, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const text = `${formatBytes(free)} of ${formatBytes(blocks * bsize)} are free`;
  const advice =
    'Make room: a load needs about twice the size of its data until the version before goes.';
  if (free < FREE_BYTES_MIN) return fail('disk space', text, advice);
  return free < FREE_BYTES_LOW ? warn('disk space', text, advice) : ok('disk space', text);
}
