// The commands of a datanode over RESP: its own shards from memory, MOVED for the others.
//
// Hot for GET, MGET, EXISTS and STRLEN: one step per key on the bytes of the request, the value
// copied once into the reply. Everything else may take its time.

import { monotonicNowMs } from '../base/clock.ts';
import { keyspaceIndex } from '../base/ids.ts';
import { LookupStatus } from '../proto/gen/stele/v1/lookup.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { CommandBackend, PendingReply, ServerFacts } from '../resp/backend.ts';
import type { CommandSpec } from '../resp/command-spec.ts';
import type { CommandArguments } from '../resp/decoder.ts';
import type { ReplyWriter } from '../resp/encoder.ts';
import { REDIS_VERSION, writeInfo } from '../resp/info.ts';
import type { ListenerCounts } from '../resp/info.ts';
import { integerArgument } from '../resp/integer-argument.ts';
import { memoryUsage, usageKeyBytes } from '../resp/memory-usage.ts';
import type { KeyspaceRef, Session } from '../resp/session.ts';
import { rangeOf } from '../resp/string-range.ts';
import { shardOfSlot } from '../ring/shard.ts';
import { slotOfKey } from '../ring/slot.ts';
import { found, lookupInShard } from './lookup.ts';
import type { Datanode } from './node.ts';
import { READ_AHEAD_KEYS, ReadAhead } from './read-ahead.ts';
import { writeClusterReply } from './resp-cluster.ts';
import { currentTable, loading, noKeyspace } from './resp-dataset.ts';
import { datanodeInfo } from './resp-info.ts';
import { KEYS_COMMANDS, writeKeysReply } from './resp-keys.ts';
import { writeSteleReply } from './resp-stele.ts';
import type { VersionTable } from './version-tables.ts';

export class DatanodeRespBackend implements CommandBackend {
  readonly #node: Datanode;
  readonly #listener: () => ListenerCounts;
  readonly #startedAtMs: number;
  readonly #ahead = new ReadAhead();

  constructor(node: Datanode, listener: () => ListenerCounts, startedAtMs: number) {
    this.#node = node;
    this.#listener = listener;
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
        return this.#seldom(spec.name, command, session, out);
    }
    return undefined;
  }

  resolveKeyspace(nameOrIndex: string): KeyspaceRef | undefined {
    const { cluster } = this.#node;
    const index = keyspaceIndex(nameOrIndex);
    const keyspace =
      index === undefined ? cluster.keyspaceNamed(nameOrIndex) : cluster.keyspaceAt(index);
    if (keyspace !== undefined) return { name: keyspace.name, index: keyspace.index };
    // Index 0 is where connections start, whether it is known or not.
    if (nameOrIndex === '0') return undefined;
    // Before the first view, and while the master is silent, no name can be said to be unknown.
    const isUnsure = cluster.view === undefined || this.#node.contact.isSilent(monotonicNowMs());
    if (isUnsure) throw noKeyspace(this.#node, nameOrIndex);
    return undefined;
  }

  facts(): ServerFacts {
    return { redisVersion: REDIS_VERSION, mode: 'cluster', role: 'master', databases: 1024 };
  }

  #seldom(
    name: string,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    const node = this.#node;
    if (name === 'getrange') this.#oneKey(command, session, out, rangeWriter(command));
    else if (name === 'object|encoding') this.#oneKey(command, session, out, writeEncoding, 2);
    else if (name === 'memory|usage') {
      this.#oneKey(command, session, out, usageWriter(command), 2);
    } else if (KEYS_COMMANDS.has(name)) {
      return writeKeysReply(node, name, command, session.keyspace.name, out);
    } else if (name.startsWith('cluster|')) writeClusterReply(node, name, command, out);
    else if (name.startsWith('stele|')) writeSteleReply(node, name, command, session, out);
    else if (name === 'info') {
      writeInfo(command, out, datanodeInfo(node, this.#listener(), this.#startedAtMs));
    } else out.error(`ERR '${name.replace('|', ' ')}' is not supported here`);
    return undefined;
  }

  lookAhead(bytes: Uint8Array, at: number, end: number, session: Session): void {
    const { cluster, tables } = this.#node;
    const keyspace = cluster.keyspaceNamed(session.keyspace.name);
    const table = keyspace && tables.get(keyspace.uid, keyspace.currentVersion);
    if (table === undefined) this.#ahead.clear();
    else this.#ahead.fill(bytes, at, end, table);
  }

  #get(command: CommandArguments, session: Session, out: ReplyWriter): void {
    const table = currentTable(this.#node, session.keyspace.name);
    const ahead = this.#ahead;
    this.#node.counters.lookups++;
    const status = ahead.lookup(
      command.buffer,
      command.starts[1] ?? 0,
      command.ends[1] ?? 0,
      table,
    );
    if (status === LookupStatus.UNAVAILABLE) this.#redirect(ahead.slot, out);
    else writeValue(out, this.#counted(status));
  }

  /** Notes a hit or a miss; whether it is a hit. */
  #counted(status: LookupStatus): boolean {
    const isFound = status === LookupStatus.OK;
    if (isFound) this.#node.counters.hits++;
    else this.#node.counters.misses++;
    return isFound;
  }

  /** Answers the key at `at` with `write` when it is found, nil-like when it is not. */
  #oneKey(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
    write: KeyReply,
    at = 1,
  ): void {
    const table = currentTable(this.#node, session.keyspace.name);
    const start = command.starts[at] ?? 0;
    const end = command.ends[at] ?? 0;
    const slot = slotOfKey(command.buffer, start, end);
    const shard = shardOfSlot(slot, table.shards.length);
    this.#node.counters.lookups++;
    const status = lookupInShard(table, shard, command.buffer, start, end);
    if (status === LookupStatus.UNAVAILABLE) this.#redirect(slot, out);
    else write(out, this.#counted(status));
  }

  #manyValues(command: CommandArguments, session: Session, out: ReplyWriter): void {
    const table = currentTable(this.#node, session.keyspace.name);
    const shard = this.#commonShard(command, table, out);
    if (shard < 0) return;
    out.array(command.argc - 1);
    for (let first = 1; first < command.argc; first += READ_AHEAD_KEYS) {
      this.#noteKeys(command, first, table);
      const end = Math.min(command.argc, first + READ_AHEAD_KEYS);
      for (let at = first; at < end; at++) {
        const start = command.starts[at] ?? 0;
        const status = this.#ahead.lookup(command.buffer, start, command.ends[at] ?? 0, table);
        writeValue(out, this.#counted(status));
      }
    }
    this.#node.counters.lookups += command.argc - 1;
  }

  #noteKeys(command: CommandArguments, first: number, table: VersionTable): void {
    const end = Math.min(command.argc, first + READ_AHEAD_KEYS);
    this.#ahead.clear();
    for (let at = first; at < end; at++) {
      this.#ahead.note(command.buffer, command.starts[at] ?? 0, command.ends[at] ?? 0, table);
    }
    this.#ahead.touch();
  }

  #countKeys(command: CommandArguments, session: Session, out: ReplyWriter): void {
    const table = currentTable(this.#node, session.keyspace.name);
    const shard = this.#commonShard(command, table, out);
    if (shard < 0) return;
    let count = 0;
    for (let at = 1; at < command.argc; at++) {
      const start = command.starts[at] ?? 0;
      const status = lookupInShard(table, shard, command.buffer, start, command.ends[at] ?? 0);
      if (this.#counted(status)) count++;
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

  /**
   * MOVED to a node that has the slot; CLUSTERDOWN where none is known; LOADING where this node has it and
   * is not through with verifying it. Never nil.
   */
  #redirect(slot: number, out: ReplyWriter): void {
    const { nodeId } = this.#node.identity;
    const nodes = this.#node.cluster.nodesOfSlot(slot);
    const isOurs = nodes.some((node) => node.id === nodeId);
    if (isOurs && this.#node.state !== NodeState.SERVING) throw loading();
    const other = nodes.find((node) => node.id !== nodeId);
    if (other?.address === undefined) {
      out.error(`CLUSTERDOWN Hash slot ${slot} has no live replica; try again later`);
      return;
    }
    out.error(`MOVED ${slot} ${other.address.host}:${other.address.respPort}`);
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

function rangeWriter(command: CommandArguments): KeyReply {
  const first = integerArgument(command, 2);
  const last = integerArgument(command, 3);
  return (out, isFound) => {
    const { start, end } = rangeOf(first, last, isFound ? found.end - found.start : 0);
    out.bulkImmutable(found.bytes, found.start + start, found.start + end);
  };
}

function usageWriter(command: CommandArguments): KeyReply {
  const keyBytes = usageKeyBytes(command);
  return (out, isFound) => {
    if (isFound) out.integer(memoryUsage(keyBytes, found.end - found.start));
    else out.nil();
  };
}
