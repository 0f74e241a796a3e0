// The commands of the master over RESP: any key of any keyspace, as one server.
//
// To plain clients the master is a standalone Redis: it has every key, SELECT works, MGET spans
// everything, and nothing is ever redirected (`redis_mode:standalone`). It still answers the CLUSTER
// commands, with the datanodes' topology (`cluster_enabled:1`): a cluster client seeded with the
// master learns the datanodes from CLUSTER SLOTS and reads from them directly.

import type { ClusterOperations } from '../../proto/operations.ts';
import { keyspaceIndex } from '../../base/ids.ts';
import { SteleError } from '../../base/errors.ts';
import type { KeyspaceView } from '../../proto/gen/stele/v1/view.ts';
import type { CommandBackend, PendingReply, ServerFacts } from '../../resp/backend.ts';
import type { CommandSpec } from '../../resp/command-spec.ts';
import type { CommandArguments } from '../../resp/decoder.ts';
import type { ReplyWriter } from '../../resp/encoder.ts';
import { REDIS_VERSION, writeInfo } from '../../resp/info.ts';
import { integerArgument } from '../../resp/integer-argument.ts';
import { memoryUsage, usageKeyBytes } from '../../resp/memory-usage.ts';
import type { KeyspaceRef, Session } from '../../resp/session.ts';
import { rangeOf } from '../../resp/string-range.ts';
import type { KeyScanner } from './key-scanner.ts';
import type { LookupCore } from './lookup-core.ts';
import type { FrontMetrics } from './metrics.ts';
import { writeClusterReply } from './resp-cluster.ts';
import { masterInfo } from './resp-info.ts';
import type { InfoFacts } from './resp-info.ts';
import { KEYS_COMMANDS, keysReply } from './resp-keys.ts';
import { notReady } from '../../proto/routing/router.ts';
import { copyOf } from '../../proto/routing/waiting.ts';
import { PendingKey, PendingKeys, writeBulk } from './resp-pending.ts';
import type { RespBytes, WriteValue } from './resp-pending.ts';
import { steleReply } from './resp-stele.ts';

const KEYSPACES_MAX = 1024;
const NO_BYTES = Buffer.alloc(0);

export interface RespBackendOptions {
  readonly core: LookupCore;
  readonly scanner: KeyScanner;
  readonly operations: ClusterOperations;
  readonly metrics: FrontMetrics;
  readonly info: () => InfoFacts;
}

export class MasterRespBackend implements CommandBackend {
  readonly #options: RespBackendOptions;

  constructor(options: RespBackendOptions) {
    this.#options = options;
  }

  execute(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    switch (spec.name) {
      case 'get':
        return this.#oneKey(command, session, out, writeBulk);
      case 'mget':
        return this.#manyKeys(command, session, out, false);
      case 'exists':
        return this.#manyKeys(command, session, out, true);
      case 'strlen':
        return this.#oneKey(command, session, out, writeLength);
      case 'type':
        return this.#oneKey(command, session, out, writeType);
      case 'ttl':
      case 'pttl':
        return this.#oneKey(command, session, out, writeTimeToLive);
      case 'getrange':
        return this.#oneKey(command, session, out, rangeWriter(command));
      case 'object|encoding':
        return this.#oneKey(command, session, out, writeEncoding, 2);
      case 'memory|usage':
        return this.#oneKey(command, session, out, usageWriter(command), 2);
      default:
        return this.#seldom(spec.name, command, session, out);
    }
  }

  resolveKeyspace(nameOrIndex: string): KeyspaceRef | undefined {
    const { keyspaces } = this.#options.operations.current();
    const index = keyspaceIndex(nameOrIndex);
    const found =
      index === undefined
        ? keyspaces.find((keyspace) => keyspace.name === nameOrIndex)
        : keyspaces.find((keyspace) => keyspace.index === index);
    if (found !== undefined) return { name: found.name, index: found.index };
    // Clients send SELECT 0 before anything has been loaded.
    if (index === 0 || nameOrIndex === 'default') return { name: 'default', index: 0 };
    if (!this.#options.core.router.open) throw notReady(this.#options.operations.current());
    return undefined;
  }

  facts(): ServerFacts {
    return {
      redisVersion: REDIS_VERSION,
      mode: 'standalone',
      role: 'master',
      databases: KEYSPACES_MAX,
    };
  }

  #seldom(
    name: string,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    const { operations, info, core, scanner, metrics } = this.#options;
    if (KEYS_COMMANDS.has(name)) {
      const keyspace = this.#keyspaceOf(session);
      return keysReply(scanner, core.router.table.shardCount, keyspace, name, command);
    }
    if (name.startsWith('cluster|')) writeClusterReply(core.router.table.view, name, command, out);
    else if (name === 'info') {
      writeInfo(command, out, masterInfo(operations.current(), info(), metrics.resp));
    } else if (name === 'dbsize') out.integer(this.#keyspaceOf(session).records);
    else if (name.startsWith('stele|')) {
      return steleReply(operations, name, command, session, out);
    } else {
      out.error(`ERR '${name.replace('|', ' ').toUpperCase()}' is not supported here`);
    }
    return undefined;
  }

  #keyspaceOf(session: Session): KeyspaceView {
    const { core } = this.#options;
    // For its errors: not ready, or no such keyspace.
    core.target(session.keyspace.name);
    const { keyspaces } = core.router.table.view;
    const found = keyspaces.find((keyspace) => keyspace.name === session.keyspace.name);
    if (found === undefined) throw new SteleError('KEYSPACE_NOT_FOUND', 'No such keyspace.');
    return found;
  }

  #oneKey(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
    writeValue: WriteValue,
    at = 1,
  ): PendingReply | undefined {
    const { core, metrics } = this.#options;
    const target = core.target(session.keyspace.name);
    const { buffer, starts, ends } = command;
    const cached = core.cached(target, buffer, starts[at] as number, ends[at] as number);
    if (cached !== undefined) {
      metrics.resp.addCached();
      writeValue(out, cached.bytes, cached.start, cached.end);
      return undefined;
    }
    const pending = new PendingKey(writeValue, metrics.resp);
    core.ask(target, copyArgument(command, at), pending, 0, core.deadlineFromNow());
    return settle(pending, out);
  }

  #manyKeys(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
    countOnly: boolean,
  ): PendingReply | undefined {
    const { core, metrics } = this.#options;
    const target = core.target(session.keyspace.name);
    const pending = new PendingKeys(command.argc - 1, countOnly, metrics.resp);
    const deadlineAtMs = core.deadlineFromNow();
    const { buffer, starts, ends } = command;
    for (let at = 1; at < command.argc; at++) {
      const cached = core.cached(target, buffer, starts[at] as number, ends[at] as number);
      if (cached !== undefined) pending.addCached(at - 1, cached);
      else core.ask(target, copyArgument(command, at), pending, at - 1, deadlineAtMs);
    }
    return settle(pending, out);
  }
}

/** What is known already (cached values) is written at once; the rest is waited for. */
function settle(pending: PendingKey | PendingKeys, out: ReplyWriter): PendingReply | undefined {
  if (!pending.done) {
    pending.handedOver = true;
    return pending;
  }
  pending.write(out);
  return undefined;
}

/** The decoder's buffer is used again: a key that waits for its answer must be a copy. */
function copyArgument(command: CommandArguments, at: number): Buffer {
  return copyOf(command.buffer, command.starts[at] as number, command.ends[at] as number);
}

function writeLength(out: ReplyWriter, _: RespBytes, start: number, end: number): void {
  out.integer(end - start);
}

function writeType(out: ReplyWriter, bytes: RespBytes): void {
  out.simple(bytes === undefined ? 'none' : 'string');
}

function writeTimeToLive(out: ReplyWriter, bytes: RespBytes): void {
  out.integer(bytes === undefined ? -2 : -1);
}

function writeEncoding(out: ReplyWriter, bytes: RespBytes): void {
  if (bytes === undefined) out.nil();
  else out.bulkText('raw');
}

function usageWriter(command: CommandArguments): WriteValue {
  const keyBytes = usageKeyBytes(command);
  return (out, bytes, start, end) => {
    if (bytes === undefined) out.nil();
    else out.integer(memoryUsage(keyBytes, end - start));
  };
}

function rangeWriter(command: CommandArguments): WriteValue {
  const first = integerArgument(command, 2);
  const last = integerArgument(command, 3);
  return (out, bytes, from, to) => {
    const { start, end } = rangeOf(first, last, to - from);
    out.bulkImmutable(bytes ?? NO_BYTES, from + start, from + end);
  };
}
