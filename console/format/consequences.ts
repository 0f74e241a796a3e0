// What a change will do, in the words of its confirmation.

import type { Keyspace, Node, Version } from '../api/shapes.ts';
import { bytes, count, plural } from './numbers.ts';
import { timestamp } from './times.ts';

function nameOf({ committed_at: at, records, source, version }: Version): string {
  return `version ${version} (${plural(records, 'row')} from ${source === '' ? 'an unnamed input' : source}, committed ${timestamp(at)})`;
}

/** Of a rollback or a promotion of `to`. */
export function ofNewCurrent(to: Version, current: Version | undefined): string[] {
  const isRejected = to.state === 'REJECTED';
  return [
    `Readers get ${nameOf(to)}${current === undefined ? '' : ` instead of ${nameOf(current)}`}, as soon as the datanodes know of it: within a second or so.`,
    ...(isRejected
      ? [
          `Its gate refused it: ${to.reason ?? 'for an unknown reason'}. It goes live in spite of that.`,
        ]
      : []),
    ...(current === undefined
      ? []
      : [`Version ${current.version} is kept, and can be made current again in the same way.`]),
  ];
}

export function ofDroppedVersion(version: Version): string[] {
  return [
    `Deletes ${nameOf(version)} from all datanodes, and frees up to ${bytes(version.segment_bytes)} of each copy.`,
    'It cannot be brought back, except by loading it again. The current version stays as it is.',
  ];
}

export function ofSuspension(keyspace: Keyspace): string[] {
  return [
    `Frees the memory of ${keyspace.name} on all datanodes (${bytes(keyspace.segment_bytes)} a copy); the data stays on their disks.`,
    'Until it is resumed every read of it fails with SUSPENDED.',
  ];
}

export function ofResumption(keyspace: Keyspace): string[] {
  return [
    `Reads ${keyspace.name} from the disks into memory again (${bytes(keyspace.segment_bytes)} a copy) and answers reads as soon as every shard has a copy.`,
  ];
}

export function ofReplication({ name, replication }: Keyspace, wanted: number): string[] {
  const to = wanted === 0 ? "the cluster's number of copies" : plural(wanted, 'copy', 'copies');
  const from = replication === null ? '' : ` instead of ${count(replication)}`;
  const isFewer = wanted !== 0 && replication !== null && wanted < replication;
  return [
    `Every shard of ${name} gets ${to}${from}. Copies are ${isFewer ? 'dropped' : 'made'} in the background; reads go on.`,
    ...(wanted === 1
      ? ['With one copy, reads of its shards fail while its datanode is down.']
      : []),
  ];
}

export function ofKeep(keyspace: Keyspace, wanted: number, versions: readonly Version[]): string[] {
  const committed = versions.filter(({ state }) => state === 'COMMITTED');
  const over = Math.max(0, committed.length - wanted);
  return [
    `${keyspace.name} keeps ${plural(wanted, 'committed version')}, including the current one.`,
    over === 0
      ? 'No version is deleted now.'
      : `Up to ${plural(over, 'version')} of now ${count(committed.length)} are deleted from all datanodes, the oldest first; the current one and the one a rollback goes to stay.`,
  ];
}

export function ofCache({ cache, name }: Keyspace): string[] {
  return [
    cache
      ? `Masters and query nodes no longer cache values of ${name}: each read goes to a datanode.`
      : `Masters and query nodes cache values of ${name} within their limit of memory.`,
  ];
}

export function ofTier({ name, segment_bytes: size, tier }: Keyspace): string[] {
  const moved = `its versions are moved in the background (${bytes(size)} a copy for the current one), and reads go on.`;
  return tier === 'memory'
    ? [
        `The records of ${name} stay on the datanodes' disks, with only their index in memory: ${moved}`,
        'A read of a value then costs a read of the disk.',
      ]
    : [
        `The datanodes read the records of ${name} into memory: ${moved}`,
        'A datanode without enough memory for it goes on reading them from disk.',
      ];
}

export function ofDroppedKeyspace({ name, records, segment_bytes: size }: Keyspace): string[] {
  return [
    `Deletes ${name} with all its versions (${plural(records, 'row')}, ${bytes(size)} a copy in the current one) from all datanodes.`,
    'Reads of it fail at once. It cannot be brought back, except by loading it again.',
  ];
}

export function ofDrain({ id, replicas }: Node): string[] {
  return [
    `Copies what ${id} holds (${plural(replicas ?? 0, 'segment')}) to other datanodes, then takes it out of the routes. It serves reads until then.`,
    'It can then be stopped or removed without a shard losing a copy. Resume undoes a drain at any time.',
  ];
}

export function ofNodeResumption({ id }: Node): string[] {
  return [`${id} gets shards again, which are copied to it in the background; it serves at once.`];
}

export function ofRemoval({ id, state }: Node): string[] {
  return [
    `Forgets the datanode ${id}: its shards are copied to others, and it is not waited for. The files on its disk stay.`,
    ...(state === 'DOWN' || state === 'DRAINED'
      ? []
      : ['It still runs: the removal is refused until it is stopped. Drain it first.']),
  ];
}

export function ofCancellation(keyspace: string): string[] {
  return [
    `Stops the load of ${keyspace}. Nothing of it becomes visible; readers keep the version that they have.`,
    'Its loader learns of it with its next report, within about a second, and ends with an error.',
  ];
}
