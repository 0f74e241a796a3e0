// The commands of a datanode over RESP: its own shards from memory, MOVED for the others.
//
// Hot for GET, MGET, EXISTS and STRLEN: one step per key on the bytes of the request, the value
// copied once into the reply. Everything else may take its time.

import { SteleError } from '../base/errors.ts';
import { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { KeyspaceView } from '../proto/gen/stele/v1/view.ts';
import type { CommandBackend, PendingReply, ServerFacts } from '../resp/backend.ts';
import type { CommandSpec } from '../resp/command-spec.ts';
import type { CommandArguments } from '../resp/decoder.ts';
import type { ReplyWriter } from '../resp/encoder.ts';
import type { KeyspaceRef, Session } from '../resp/session.ts';
import { shardOfSlot } from '../ring/shard.ts';
import { slotOfKey } from '../ring/slot.ts';
import { writeClusterReply } from './resp-cluster.ts';
import { REDIS_VERSION, writeInfo } from './resp-info.ts';
import { found, lookupHashed, lookupInShard } from './lookup.ts';
import type { Datanode } from './node.ts';
import { ReadAhead } from './read-ahead.ts';
import type { VersionTable } from './version-tables.ts';

export class DatanodeRespBackend implements CommandBackend {
  readonly #node: Datanode;
  readonly #clients: () => number;
  readonly #startedAtMs: number;
  readonly #ahead = new ReadAhead();

  constructor(node: Datanode, clients: () => number, startedAtMs: number) {
    this.#node = node;
    this.#clients = clients;
    this.#startedAtMs = startedAtMs;
  }

  execute(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    switch (spec.name) {
      case 'get':
        this.#get(command, session, out);
        break;
      case 'mget':
        this.#manyValues(command, session, out);
        break;
      case 'exists':
        this.#countKeys(command, session, out);
        break;
      case 'strlen':
        this.#oneKey(command, session, out, writeLength);
        break;
      case 'type':
        this.#oneKey(command, session, out, writeType);
        break;
      case 'ttl':
      case 'pttl':
        this.#oneKey(command, session, out, writeTimeToLive);
        break;
      default:
        this.#seldom(spec, command, session, out);
    }
    return undefined;
  }

  resolveKeyspace(nameOrIndex: string): KeyspaceRef | undefined {
    const { cluster } = this.#node;
    // Before the first view no name can be said to be unknown. Index 0 is where connections start.
    if (cluster.view === undefined && nameOrIndex !== '0') throw loading();
    const keyspace =
      cluster.keyspaceNamed(nameOrIndex) ??
      (/^[0-9]{1,6}$/.test(nameOrIndex) ? cluster.keyspaceAt(Number(nameOrIndex)) : undefined);
    return keyspace === undefined ? undefined : { name: keyspace.name, index: keyspace.index };
  }

  facts(): ServerFacts {
    return { redisVersion: REDIS_VERSION, mode: 'cluster', role: 'master', databases: 1024 };
  }

  #seldom(spec: CommandSpec, command: CommandArguments, session: Session, out: ReplyWriter): void {
    const { name } = spec;
    if (name.startsWith('cluster')) writeClusterReply(this.#node, name, command, out);
    else if (name === 'info') {
      const facts = { clients: this.#clients(), startedAtMs: this.#startedAtMs };
      writeInfo(this.#node, facts, command, out);
    } else if (name === 'dbsize') out.integer(this.#tableOf(session).records);
    else if (name === 'object|encoding') this.#oneKey(command, session, out, writeEncoding, 2);
    else out.error(`ERR '${name.replace('|', ' ')}' is not supported yet`);
  }

  lookAhead(bytes: Uint8Array, at: number, end: number, session: Session): void {
    const { cluster, tables } = this.#node;
    const keyspace = cluster.keyspaceNamed(session.keyspace.name);
    const table = keyspace && tables.get(keyspace.uid, keyspace.currentVersion);
    if (table === undefined) this.#ahead.clear();
    else this.#ahead.fill(bytes, at, end, table);
  }

  #get(command: CommandArguments, session: Session, out: ReplyWriter): void {
    const table = this.#tableOf(session);
    const { buffer } = command;
    const start = command.starts[1] ?? 0;
    const end = command.ends[1] ?? 0;
    const ahead = this.#ahead;
    if (!ahead.take(buffer, start, table)) {
      this.#oneKey(command, session, out, writeValue);
      return;
    }
    const shard = shardOfSlot(ahead.slot, table.shards.length);
    this.#node.counters.lookups++;
    const status = lookupHashed(table, shard, buffer, start, end, ahead.h1, ahead.h2);
    if (status === LookupStatus.UNAVAILABLE) this.#redirect(ahead.slot, out);
    else writeValue(out, status === LookupStatus.OK);
  }

  /** Answers the key at `at` with `write` when it is found, nil-like when it is not. */
  #oneKey(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
    write: KeyReply,
    at = 1,
  ): void {
    const table = this.#tableOf(session);
    const start = command.starts[at] ?? 0;
    const end = command.ends[at] ?? 0;
    const slot = slotOfKey(command.buffer, start, end);
    const shard = shardOfSlot(slot, table.shards.length);
    this.#node.counters.lookups++;
    const status = lookupInShard(table, shard, command.buffer, start, end);
    if (status === LookupStatus.UNAVAILABLE) this.#redirect(slot, out);
    else write(out, status === LookupStatus.OK);
  }

  #manyValues(command: CommandArguments, session: Session, out: ReplyWriter): void {
    const table = this.#tableOf(session);
    const shard = this.#commonShard(command, table, out);
    if (shard < 0) return;
    out.array(command.argc - 1);
    for (let at = 1; at < command.argc; at++) {
      const start = command.starts[at] ?? 0;
      const status = lookupInShard(table, shard, command.buffer, start, command.ends[at] ?? 0);
      writeValue(out, status === LookupStatus.OK);
    }
    this.#node.counters.lookups += command.argc - 1;
  }

  #countKeys(command: CommandArguments, session: Session, out: ReplyWriter): void {
    const table = this.#tableOf(session);
    const shard = this.#commonShard(command, table, out);
    if (shard < 0) return;
    let count = 0;
    for (let at = 1; at < command.argc; at++) {
      const start = command.starts[at] ?? 0;
      const status = lookupInShard(table, shard, command.buffer, start, command.ends[at] ?? 0);
      if (status === LookupStatus.OK) count++;
    }
    this.#node.counters.lookups += command.argc - 1;
    out.integer(count);
  }

  /** The shard of all keys, or -1 after an error was written: several slots, or not held here. */
  #commonShard(command: CommandArguments, table: VersionTable, out: ReplyWriter): number {
    let slot = -1;
    for (let at = 1; at < command.argc; at++) {
      const next = slotOfKey(command.buffer, command.starts[at] ?? 0, command.ends[at] ?? 0);
      if (slot >= 0 && next !== slot) {
        out.error("CROSSSLOT Keys in request don't hash to the same slot");
        return -1;
      }
      slot = next;
    }
    const shard = shardOfSlot(slot, table.shards.length);
    if (table.shards[shard] !== undefined) return shard;
    this.#redirect(slot, out);
    return -1;
  }

  /** MOVED to a node that has the slot; CLUSTERDOWN where none is known. Never nil. */
  #redirect(slot: number, out: ReplyWriter): void {
    const { nodeId } = this.#node.identity;
    const other = this.#node.cluster.nodesOfSlot(slot).find((node) => node.id !== nodeId);
    if (other?.address === undefined) {
      out.error(`CLUSTERDOWN Hash slot ${slot} has no live replica; try again later`);
      return;
    }
    out.error(`MOVED ${slot} ${other.address.host}:${other.address.respPort}`);
  }

  /** The current version's table of the session's keyspace. Throws what the client is told. */
  #tableOf(session: Session): VersionTable {
    const { cluster, tables, state } = this.#node;
    const keyspace = cluster.keyspaceNamed(session.keyspace.name);
    if (keyspace === undefined) throw this.#noKeyspace(session.keyspace.name);
    const table = tables.get(keyspace.uid, keyspace.currentVersion);
    if (table !== undefined) return table;
    if (keyspace.currentVersion > 0 && state === NodeState.SERVING) {
      throw new SteleError('UNAVAILABLE', `Version ${keyspace.currentVersion} is on its way here.`);
    }
    if (keyspace.currentVersion > 0) throw loading();
    throw new SteleError('UNAVAILABLE', `Nothing has been loaded into '${keyspace.name}' yet.`);
  }

  #noKeyspace(name: string): SteleError {
    const view = this.#node.cluster.view;
    if (view === undefined) return loading();
    const names = view.keyspaces.map((keyspace: KeyspaceView) => keyspace.name);
    const known = names.length > 0 ? `SELECT one of: ${names.join(', ')}` : 'load one first';
    return new SteleError('KEYSPACE_NOT_FOUND', `no such keyspace '${name}'; ${known}`);
  }
}

/** Writes the reply for one key; when `isFound`, its value is described by `found`. */
type KeyReply = (out: ReplyWriter, isFound: boolean) => void;

function writeValue(out: ReplyWriter, isFound: boolean): void {
  if (isFound) out.bulkViewed(found.bytes, found.view, found.start, found.end);
  else out.nil();
}

function writeLength(out: ReplyWriter, isFound: boolean): void {
  out.integer(isFound ? found.end - found.start : 0);
}

function writeType(out: ReplyWriter, isFound: boolean): void {
  out.simple(isFound ? 'string' : 'none');
}

function writeTimeToLive(out: ReplyWriter, isFound: boolean): void {
  out.integer(isFound ? -1 : -2);
}

function writeEncoding(out: ReplyWriter, isFound: boolean): void {
  if (isFound) out.bulkText('raw');
  else out.nil();
}

function loading(): SteleError {
  return new SteleError('UNINITIALIZED', 'Stele is loading the dataset in memory');
}
