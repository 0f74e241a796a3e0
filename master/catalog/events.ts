// The audit log: events are derived from the changes of a transaction and written with them, so a
// durable change has its event, whichever interface it came through. Pure.

import type { KeyspaceUid } from '../../base/ids.ts';
import { applyChanges } from './catalog.ts';
import type { CatalogState, Change, Recorder } from './catalog.ts';
import type {
  EventRecord,
  Happening,
  KeyspaceRecord,
  LoadRecord,
  NodeRecord,
  RoleRecord,
  TokenRecord,
  UserRecord,
  VersionRecord,
} from './records.ts';
import { keepOf, virtualNodesOf } from './queries.ts';
import { versionId } from './records.ts';

/** Beyond this number the oldest events are removed. */
const EVENTS_MAX = 10_000;
/** Digits of a number in its key, so that keys sort by number. */
const NUMBER_DIGITS = 12;

export function eventId(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, '0');
}

/** The changes that write the event and remove the oldest one. */
export function eventChanges(state: CatalogState, record: EventRecord): Change[] {
  const gone = eventId(record.number - EVENTS_MAX);
  const added: Change = { table: 'event', id: eventId(record.number), record };
  return state.event.has(gone) ? [added, { table: 'event', id: gone, record: undefined }] : [added];
}

/** The events that `changes` to `state` amount to, in order. */
export function happeningsOf(state: CatalogState, changes: readonly Change[]): Happening[] {
  return changes.flatMap((change) => {
    switch (change.table) {
      case 'cluster':
        return clusterHappenings(state, changes);
      case 'epoch':
        return epochHappenings(state, change.record?.epoch ?? 0, changes);
      case 'keyspace':
        return keyspaceHappenings(state, changes, change.id, change.record);
      case 'version':
        return versionHappenings(state, changes, change);
      case 'load':
        return loadHappenings(state, changes, change.id, change.record);
      case 'node':
        return nodeHappenings(state.node.get(change.id), change.id, change.record);
      case 'user':
        return userHappenings(state.user.get(change.id), change.id, change.record);
      case 'role':
        return roleHappenings(state.role.get(change.id), change.id, change.record);
      case 'token':
        return tokenHappenings(state.token.get(change.id), change.record);
      default:
        return [];
    }
  });
}

function clusterHappenings(state: CatalogState, changes: readonly Change[]): Happening[] {
  if (!state.cluster.has('')) return [];
  const from = String(virtualNodesOf(state));
  const to = String(virtualNodesOf(applyChanges(state, changes)));
  return from === to ? [] : [{ what: 'virtual-nodes', from, to }];
}

function epochHappenings(
  state: CatalogState,
  epoch: number,
  changes: readonly Change[],
): Happening[] {
  const from = String(state.epoch.get('')?.epoch ?? 0);
  // Numbers are skipped if the catalog is a backup or an older copy.
  const isOlderCopy = changes.some(({ table }) => table === 'counters');
  return [{ what: isOlderCopy ? 'restore' : 'master-start', from, to: String(epoch) }];
}

function keyspaceHappenings(
  state: CatalogState,
  changes: readonly Change[],
  uid: KeyspaceUid,
  record: KeyspaceRecord | undefined,
): Happening[] {
  const before = state.keyspace.get(uid);
  const about = { uid, keyspace: (record ?? before)?.name ?? '' };
  if (record === undefined) return [{ what: 'keyspace-removed', ...about }];
  if (before === undefined) {
    return [{ what: 'keyspace-created', ...about, who: loaderOf(changes) }];
  }
  const happenings: Happening[] = [];
  const changed = (what: string, from: unknown, to: unknown): void => {
    if (from !== to) happenings.push({ what, ...about, from: String(from), to: String(to) });
  };
  if (before.state !== 'DELETING' && record.state === 'DELETING') {
    happenings.push({ what: 'drop', ...about });
  }
  const { currentVersion: from } = before.desired;
  const { currentVersion: to } = record.desired;
  const move = moveOf(changes, uid, to);
  if (from !== to) {
    const who = move === 'commit' ? loaderOf(changes) : '';
    const moved = { from: String(from), to: String(to), who, ...fewCopies(changes, uid, to) };
    happenings.push({ what: move, ...about, ...moved });
  }
  changed('keep', keepOf(before), keepOf(record));
  changed('replication', before.desired.replication, record.desired.replication);
  changed('cache', cacheWord(before), cacheWord(record));
  changed('tier', before.desired.tier ?? 'memory', record.desired.tier ?? 'memory');
  const isSuspended = record.desired.suspended === true;
  if ((before.desired.suspended === true) !== isSuspended) {
    happenings.push({ what: isSuspended ? 'suspend' : 'resume', ...about });
  }
  return happenings;
}

function cacheWord({ desired }: KeyspaceRecord): 'on' | 'off' {
  return desired.uncached === true ? 'off' : 'on';
}

/**
 * Distinguishes the causes by what is written: a commit writes its load, a promote its version, a
 * rollback neither.
 */
function moveOf(changes: readonly Change[], uid: KeyspaceUid, to: number): string {
  if (changes.some(({ table }) => table === 'load')) return 'commit';
  const id = versionId(uid, to);
  return changes.some(({ id: changed, table }) => table === 'version' && changed === id)
    ? 'promote'
    : 'rollback';
}

/** The reason recorded with a version that becomes current with too few copies. */
function fewCopies(
  changes: readonly Change[],
  uid: KeyspaceUid,
  version: number,
): { readonly reason?: string } {
  const id = versionId(uid, version);
  const change = changes.find((one) => one.table === 'version' && one.id === id);
  const { copies } = (change?.record ?? {}) as Partial<VersionRecord>;
  if (copies === undefined || copies.least >= copies.wanted) return {};
  return { reason: `${copies.least} of ${copies.wanted} copies` };
}

function loaderOf(changes: readonly Change[]): string {
  const load = changes.find((change) => change.table === 'load' && change.record !== undefined);
  return load === undefined ? '' : ownerOf(load.record as LoadRecord);
}

function ownerOf({ owner }: LoadRecord): string {
  if (owner === undefined || owner.host === '') return '';
  return owner.user === '' ? owner.host : `${owner.user}@${owner.host}`;
}

/**
 * Drops by hand only. A version that retention retires belongs to the change that made it one too
 * many.
 */
function versionHappenings(
  state: CatalogState,
  changes: readonly Change[],
  { id, record }: Extract<Change, { readonly table: 'version' }>,
): Happening[] {
  if (changes.length !== 1 || record?.state !== 'RETIRED') return [];
  const keyspace = state.keyspace.get(record.uid)?.name ?? '';
  return state.version.get(id)?.state === 'RETIRED'
    ? []
    : [{ what: 'drop-version', uid: record.uid, keyspace, from: String(record.number) }];
}

function loadHappenings(
  state: CatalogState,
  changes: readonly Change[],
  id: string,
  record: LoadRecord | undefined,
): Happening[] {
  const before = state.load.get(id);
  if (record === undefined || before?.state === record.state) return [];
  const uid = record.keyspaceUid;
  const created = changes.find((change) => change.table === 'keyspace' && change.id === uid);
  const keyspace = state.keyspace.get(uid) ?? (created?.record as KeyspaceRecord | undefined);
  const { reason, state: now } = record;
  const who = ownerOf(record);
  const what = now === 'RUNNING' ? 'load-begin' : `load-${now.toLowerCase()}`;
  return [
    {
      what,
      uid,
      keyspace: keyspace?.name ?? '',
      load: id,
      who,
      ...(record.version === undefined ? {} : { to: String(record.version) }),
      ...fewCopies(changes, uid, record.version ?? 0),
      ...(reason === undefined ? {} : { reason: reason.slice(0, 300) }),
    },
  ];
}

function nodeHappenings(
  before: NodeRecord | undefined,
  node: string,
  record: NodeRecord | undefined,
): Happening[] {
  if (record === undefined) return [{ what: 'node-removed', node }];
  if (before === undefined) return [{ what: 'node-added', node }];
  if (before.drain === record.drain) return [];
  return [{ what: record.drain ? 'drain' : 'node-resume', node }];
}

function userHappenings(
  before: UserRecord | undefined,
  name: string,
  record: UserRecord | undefined,
): Happening[] {
  if (record === undefined) return [{ what: 'user-removed', from: name }];
  if (before === undefined) return [{ what: 'user-added', to: name, reason: rolesText(record) }];
  const happenings: Happening[] = [];
  if (before.disabled !== record.disabled) {
    happenings.push({ what: record.disabled ? 'user-disabled' : 'user-enabled', to: name });
  }
  if (before.passwordHash !== record.passwordHash) {
    happenings.push({ what: 'user-password', to: name });
  }
  const rest = ({ defaultKeyspace, roles }: UserRecord): string =>
    [defaultKeyspace, ...roles].join(' ');
  if (rest(before) !== rest(record)) {
    happenings.push({ what: 'user-changed', to: name, reason: rolesText(record) });
  }
  return happenings;
}

function rolesText({ roles }: UserRecord): string {
  return `roles: ${roles.join(', ')}`.slice(0, 300);
}

function roleHappenings(
  before: RoleRecord | undefined,
  name: string,
  record: RoleRecord | undefined,
): Happening[] {
  if (record === undefined) return [{ what: 'role-removed', from: name }];
  const reason = record.grants.join(' ').slice(0, 300);
  return [{ what: before === undefined ? 'role-added' : 'role-changed', to: name, reason }];
}

function tokenHappenings(
  before: TokenRecord | undefined,
  record: TokenRecord | undefined,
): Happening[] {
  if (record !== undefined) return [{ what: 'token-created', to: record.user, reason: record.id }];
  return before === undefined
    ? []
    : [{ what: 'token-revoked', from: before.user, reason: before.id }];
}

/** The event functions of a catalog. The caller adds the time and the actor. */
export const EVENTS: Pick<Recorder, 'eventChanges' | 'happeningsOf'> = {
  eventChanges,
  happeningsOf,
};
