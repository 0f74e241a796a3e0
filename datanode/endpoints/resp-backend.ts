// The RESP commands of a datanode: answers for its own shards, MOVED for the others.
//
// Hot for GET, MGET, EXISTS and STRLEN: one step per key on the bytes of the request, and the value
// is copied once, into the reply. No other command is hot. Keys whose records are on disk are
// answered later (resp-disk.ts).

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceIndex } from '../../base/ids.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import { atOnce } from '../../resp/commands/backend.ts';
import type {
  BackendHandler,
  CommandBackend,
  KeysReply,
  ServerFacts,
  ValueReply,
} from '../../resp/commands/backend.ts';
import type { BackendCommand, CommandSpec } from '../../resp/commands/command-spec.ts';
import type { PendingReply } from '../../resp/commands/pending-reply.ts';
import type { CommandArguments } from '../../resp/wire/decoder.ts';
import { REPLY_BYTES_MAX } from '../../resp/wire/encoder.ts';
import type { ReplyWriter } from '../../resp/wire/encoder.ts';
import { executeClusterCommand } from '../../resp/cluster/cluster-commands.ts';
import { databaseCount, REDIS_VERSION, writeInfo } from '../../resp/info/info.ts';
import type { ListenerCounts } from '../../resp/info/info.ts';
import { keyIfFound, literalOf } from '../../resp/data/keys-command.ts';
import { MANY_VALUES, keysReply } from '../../resp/data/keys-replies.ts';
import type { KeyspaceRef, Session } from '../../resp/commands/session.ts';
import { valueReply, writeBulk } from '../../resp/data/value-replies.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { datasetName } from '../../proto/view-words.ts';
import { lastHit, lookupInShard } from '../reads/lookup.ts';
import type { Datanode } from '../node.ts';
import { READ_AHEAD_KEYS, ReadAhead } from '../reads/read-ahead.ts';
import { clusterOfDatanode } from './resp-cluster.ts';
import { currentTable, loading, noKeyspace } from './resp-dataset.ts';
import { datanodeInfo } from './resp-info.ts';
import { KEYS_HANDLERS } from './resp-keys.ts';
import { writeSteleReply } from './resp-stele.ts';
import { PendingDiskKey, PendingDiskKeys } from './resp-disk.ts';
import { holdsShard } from '../storage/version-tables.ts';
import type { VersionTable } from '../storage/version-tables.ts';

export class DatanodeRespBackend implements CommandBackend {
  readonly #node: Datanode;
  readonly #listener: () => ListenerCounts;
  readonly #startedAtMs: number;
  readonly #ahead = new ReadAhead();
  /** Keys whose latency has been recorded. */
  #readsNoted = 0;
  readonly #diskReplies = {
    counted: (status: LookupStatus) => {
      this.#readsNoted++; // Its latency is recorded when it is answered, not with a turn.
      return this.#counted(status);
    },
    redirect: (slot: number, out: ReplyWriter) => this.#redirect(slot, out),
    latency: () => this.#node.counters.latency.resp,
  };
  readonly #handlers: Record<BackendCommand, BackendHandler> = {
    get: (command, session, out) => this.#get(command, session, out),
    mget: (command, session, out) => this.#manyValues(command, session, out),
    info: atOnce((command, { subject }, out) => {
      const facts = datanodeInfo(this.#node, this.#listener(), this.#startedAtMs, subject);
      writeInfo(command, out, facts);
    }),
    keys: (command, session, out) => {
      const literal = literalOf(command);
      if (literal === undefined) return this.#keys('keys')(command, session, out);
      return this.#oneKey(command, session, out, keyIfFound(literal), 1);
    },
    dbsize: this.#keys('dbsize'),
    scan: this.#keys('scan'),
    randomkey: this.#keys('randomkey'),
    'cluster|countkeysinslot': this.#keys('cluster|countkeysinslot'),
    'cluster|getkeysinslot': this.#keys('cluster|getkeysinslot'),
    'stele|explain': this.#stele('explain'),
    'stele|health': this.#stele('health'),
    'stele|hotkeys': this.#stele('hotkeys'),
    'stele|keyspaces': this.#stele('keyspaces'),
    'stele|nodes': this.#stele('nodes'),
    'stele|version': this.#stele('version'),
  };

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
    // The most frequent command skips the table.
    if (spec.name === 'get') return this.#get(command, session, out);
    switch (spec.handler) {
      case 'backend':
        return this.#handlers[spec.name as BackendCommand](command, session, out);
      case 'keys':
        return this.#severalKeys(command, session, out, keysReply(spec, command), spec.lastKey);
      case 'cluster':
        executeClusterCommand(spec, command, out, clusterOfDatanode(this.#node, session));
        return undefined;
      default:
        return this.#oneKey(command, session, out, valueReply(spec, command), spec.firstKey);
    }
  }

  refusesKeys(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): boolean {
    const table = currentTable(this.#node, session.keyspace.name);
    const last = spec.lastKey < 0 ? command.argc + spec.lastKey : spec.lastKey;
    return this.#commonShard(command, spec.firstKey, last, table, out) < 0;
  }

  resolveKeyspace(nameOrIndex: string): KeyspaceRef | undefined {
    const { cluster } = this.#node;
    const index = keyspaceIndex(nameOrIndex);
    const keyspace =
      index === undefined ? cluster.keyspaceNamed(nameOrIndex) : cluster.keyspaceAt(index);
    if (keyspace !== undefined) return { name: keyspace.name, index: keyspace.index };
    // Every connection starts with index 0, so it is accepted even if it is unknown.
    if (nameOrIndex === '0') return undefined;
    // Before the first view, or if a newer one may exist, a name cannot be said to be unknown.
    const unsure = this.#node.contact.unsure(monotonicNowMs());
    if (cluster.view === undefined || unsure !== undefined)
      throw noKeyspace(this.#node, nameOrIndex);
    return undefined;
  }

  datasetOf(keyspaceName: string): string {
    return datasetName(this.#node.cluster.keyspaceNamed(keyspaceName));
  }

  watchDatasets(onChange: () => void): void {
    this.#node.cluster.subscribe(onChange);
  }

  facts(): ServerFacts {
    const databases = databaseCount(this.#node.cluster.view?.keyspaces ?? []);
    return { redisVersion: REDIS_VERSION, mode: 'cluster', role: 'master', databases };
  }

  #keys(name: keyof typeof KEYS_HANDLERS): BackendHandler {
    return (command, session, out) =>
      KEYS_HANDLERS[name](this.#node, session.keyspace.name, command, out);
  }

  #stele(name: string): BackendHandler {
    return atOnce((command, session, out) =>
      writeSteleReply(this.#node, `stele|${name}`, command, session, out),
    );
  }

  lookAhead(bytes: Uint8Array, at: number, end: number, session: Session): void {
    const { cluster, tables } = this.#node;
    const keyspace = cluster.keyspaceNamed(session.keyspace.name);
    const table = keyspace && tables.get(keyspace.uid, keyspace.currentVersion);
    if (table === undefined) this.#ahead.clear();
    else this.#ahead.fill(bytes, at, end, table);
  }

  noteTurn(tookMs: number): void {
    const { hits, latency, misses } = this.#node.counters;
    const reads = hits + misses;
    if (reads > this.#readsNoted) latency.resp.record(tookMs, reads - this.#readsNoted);
    this.#readsNoted = reads;
  }

  #get(command: CommandArguments, session: Session, out: ReplyWriter): PendingReply | undefined {
    const table = currentTable(this.#node, session.keyspace.name);
    const ahead = this.#ahead;
    this.#node.counters.lookups++;
    const status = ahead.lookup(
      command.buffer,
      command.starts[1] ?? 0,
      command.ends[1] ?? 0,
      table,
    );
    if (status === LookupStatus.UNAVAILABLE) {
      return this.#elsewhere(command, 1, ahead.slot, table, out, writeBulk);
    }
    writeValue(out, this.#counted(status));
    return undefined;
  }

  /** Reads the key at `at`, whose shard is not in memory, from disk, or redirects the client. */
  #elsewhere(
    command: CommandArguments,
    at: number,
    slot: number,
    table: VersionTable,
    out: ReplyWriter,
    write: ValueReply,
  ): PendingReply | undefined {
    const shard = shardOfSlot(slot, table.shards.length);
    if (table.diskShards[shard] === undefined) {
      this.#redirect(slot, out);
      return undefined;
    }
    const { buffer } = command;
    const start = command.starts[at] ?? 0;
    const end = command.ends[at] ?? 0;
    const { disk } = this.#node;
    const status = disk.lookUpNow(table, shard, buffer, start, end);
    if (status !== undefined) {
      if (this.#counted(status)) write(out, lastHit.bytes, lastHit.start, lastHit.end);
      else write(out, undefined, 0, 0);
      return undefined;
    }
    const pending = new PendingDiskKey(this.#diskReplies, write, slot);
    disk.lookup(buffer, start, end, pending, 0);
    return pending;
  }

  /** Counts a hit or a miss; returns whether it is a hit. */
  #counted(status: LookupStatus): boolean {
    const isFound = status === LookupStatus.OK;
    if (isFound) this.#node.counters.hits++;
    else this.#node.counters.misses++;
    return isFound;
  }

  /** Answers the key at `at`: with `write` if it is found, otherwise with nil or 0. */
  #oneKey(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
    write: ValueReply,
    at: number,
  ): PendingReply | undefined {
    const table = currentTable(this.#node, session.keyspace.name);
    const start = command.starts[at] ?? 0;
    const end = command.ends[at] ?? 0;
    const slot = slotOfKey(command.buffer, start, end);
    const shard = shardOfSlot(slot, table.shards.length);
    this.#node.counters.lookups++;
    const status = lookupInShard(table, shard, command.buffer, start, end);
    if (status === LookupStatus.UNAVAILABLE) {
      return this.#elsewhere(command, at, slot, table, out, write);
    }
    if (this.#counted(status)) write(out, lastHit.bytes, lastHit.start, lastHit.end);
    else write(out, undefined, 0, 0);
    return undefined;
  }

  #manyValues(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    const table = currentTable(this.#node, session.keyspace.name);
    const last = command.argc - 1;
    const shard = this.#commonShard(command, 1, last, table, out);
    if (shard < 0) return undefined;
    if (table.shards[shard] === undefined) {
      return this.#severalOnDisk(command, last, table, out, MANY_VALUES);
    }
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
    return undefined;
  }

  /** Reads the keys from argument 1 to `last`, which are in one shard on disk. */
  #severalOnDisk(
    command: CommandArguments,
    last: number,
    table: VersionTable,
    out: ReplyWriter,
    reply: KeysReply,
  ): PendingReply | undefined {
    const { counters, disk } = this.#node;
    counters.lookups += last;
    const { buffer, ends, starts } = command;
    const slot = slotOfKey(buffer, starts[1] ?? 0, ends[1] ?? 0);
    const pending = new PendingDiskKeys(this.#diskReplies, reply, slot);
    for (let at = 1; at <= last; at++) {
      pending.answers.ask(disk, table, buffer, starts[at] ?? 0, ends[at] ?? 0);
      if (pending.answers.recordBytes > REPLY_BYTES_MAX) throw tooLargeTogether();
    }
    pending.answers.start();
    if (!pending.done) return pending;
    // All of them were in memory.
    pending.write(out);
    return undefined;
  }

  #noteKeys(command: CommandArguments, first: number, table: VersionTable): void {
    const end = Math.min(command.argc, first + READ_AHEAD_KEYS);
    this.#ahead.clear();
    for (let at = first; at < end; at++) {
      this.#ahead.note(command.buffer, command.starts[at] ?? 0, command.ends[at] ?? 0, table);
    }
    this.#ahead.touch();
  }

  /** Reads the keys from argument 1 to `lastKey`, which may count from the end. */
  #severalKeys(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
    reply: KeysReply,
    lastKey: number,
  ): PendingReply | undefined {
    const table = currentTable(this.#node, session.keyspace.name);
    const last = lastKey < 0 ? command.argc + lastKey : lastKey;
    const shard = this.#commonShard(command, 1, last, table, out);
    if (shard < 0) return undefined;
    if (table.shards[shard] === undefined) {
      return this.#severalOnDisk(command, last, table, out, reply);
    }
    const values: (Buffer | undefined)[] = [];
    let foundCount = 0;
    for (let at = 1; at <= last; at++) {
      const start = command.starts[at] ?? 0;
      const status = lookupInShard(table, shard, command.buffer, start, command.ends[at] ?? 0);
      const isFound = this.#counted(status);
      if (isFound) foundCount++;
      if (reply.readsValues) {
        values.push(isFound ? lastHit.bytes.subarray(lastHit.start, lastHit.end) : undefined);
      }
    }
    this.#node.counters.lookups += last;
    reply.write(out, values, foundCount);
    return undefined;
  }

  /**
   * The common shard of all keys; -1 after writing an error, for several slots or a shard that is
   * not held here.
   */
  #commonShard(
    command: CommandArguments,
    first: number,
    last: number,
    table: VersionTable,
    out: ReplyWriter,
  ): number {
    let slot = -1;
    for (let at = first; at <= last; at++) {
      const next = slotOfKey(command.buffer, command.starts[at] ?? 0, command.ends[at] ?? 0);
      if (slot >= 0 && next !== slot) {
        out.error("CROSSSLOT Keys in request don't hash to the same slot");
        return -1;
      }
      slot = next;
    }
    const shard = shardOfSlot(slot, table.shards.length);
    if (holdsShard(table, shard)) return shard;
    this.#redirect(slot, out);
    return -1;
  }

  /**
   * Writes MOVED to a node that has the slot, or CLUSTERDOWN if none is known. Throws LOADING if
   * this node has the slot and is still verifying its segments. Never answers nil.
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

function writeValue(out: ReplyWriter, isFound: boolean): void {
  if (isFound) out.bulkViewed(lastHit.bytes, lastHit.view, lastHit.start, lastHit.end);
  else out.nil();
}

function tooLargeTogether(): SteleError {
  return new SteleError(
    'OVERLOADED',
    'The values are too large together; ask for fewer keys in one command.',
  );
}
