// The commands of the master over RESP: any key of any keyspace, as one server.
//
// To plain clients the master is a standalone Redis: it has every key, SELECT works, MGET spans all
// keys, and nothing is redirected (`redis_mode:standalone`, `cluster_enabled:0`). It still answers
// the CLUSTER commands, with the datanodes' topology: a cluster client seeded with the master
// learns the datanodes from CLUSTER SLOTS and reads from them directly.

import type { ClusterOperations } from '../../../proto/operations.ts';
import { visibleView } from '../../../access/visible.ts';
import { keyspaceIndex } from '../../../base/ids.ts';
import { SteleError } from '../../../base/errors.ts';
import type { KeyspaceView } from '../../../proto/gen/stele/v1/view.ts';
import { atOnce } from '../../../resp/commands/backend.ts';
import type {
  BackendHandler,
  CommandBackend,
  KeysReply,
  ServerFacts,
  ValueReply,
} from '../../../resp/commands/backend.ts';
import type { BackendCommand, CommandSpec } from '../../../resp/commands/command-spec.ts';
import type { PendingReply } from '../../../resp/commands/pending-reply.ts';
import type { CommandArguments } from '../../../resp/wire/decoder.ts';
import type { ReplyWriter } from '../../../resp/wire/encoder.ts';
import { executeClusterCommand } from '../../../resp/cluster/cluster-commands.ts';
import type { ClusterSource } from '../../../resp/cluster/cluster-commands.ts';
import { databaseCount, REDIS_VERSION, writeInfo } from '../../../resp/info/info.ts';
import { keyIfFound, literalOf } from '../../../resp/data/keys-command.ts';
import { keysReply, MANY_VALUES } from '../../../resp/data/keys-replies.ts';
import type { KeyspaceRef, Session } from '../../../resp/commands/session.ts';
import { valueReply, writeBulk } from '../../../resp/data/value-replies.ts';
import { notReady } from '../../../routing/router.ts';
import { copyOf } from '../../../base/bytes.ts';
import { datasetName } from '../../../proto/view-words.ts';
import type { KeyScanner } from './key-scanner.ts';
import type { LookupCore } from '../lookup/lookup-core.ts';
import type { FrontMetrics } from '../metrics.ts';
import { clusterOfMaster } from './resp-cluster.ts';
import { masterInfo } from './resp-info.ts';
import type { InfoFacts } from './resp-info.ts';
import {
  matchingKeysReply,
  randomKeyReply,
  scanReply,
  slotCountReply,
  slotKeysReply,
} from './resp-keys.ts';
import type { KeysSource } from './resp-keys.ts';
import { PendingKey, PendingKeys } from './resp-pending.ts';
import { STELE_HANDLERS } from './resp-stele.ts';

export interface RespBackendOptions {
  readonly core: LookupCore;
  readonly scanner: KeyScanner;
  readonly operations: ClusterOperations;
  readonly metrics: FrontMetrics;
  readonly info: () => InfoFacts;
}

export class MasterRespBackend implements CommandBackend {
  readonly #options: RespBackendOptions;
  readonly #handlers: Record<BackendCommand, BackendHandler> = {
    get: (command, session, out) => this.#oneKey(command, session, out, writeBulk, 1),
    mget: (command, session, out) => this.#manyKeys(command, session, out, MANY_VALUES, -1),
    dbsize: atOnce((_, session, out) => out.integer(this.#keyspaceOf(session).records)),
    info: atOnce((command, { subject }, out) => {
      const { operations, info, metrics } = this.#options;
      const view = visibleView(subject, operations.current());
      writeInfo(command, out, masterInfo(view, info(), metrics.resp));
    }),
    keys: (command, session, out) => {
      const literal = literalOf(command);
      return literal === undefined
        ? matchingKeysReply(this.#keys(session), command)
        : this.#oneKey(command, session, out, keyIfFound(literal), 1);
    },
    scan: (command, session) => scanReply(this.#keys(session), command),
    randomkey: (_, session) => randomKeyReply(this.#keys(session)),
    'cluster|countkeysinslot': (command, session) => slotCountReply(this.#keys(session), command),
    'cluster|getkeysinslot': (command, session) => slotKeysReply(this.#keys(session), command),
    'stele|explain': this.#stele('stele|explain'),
    'stele|health': this.#stele('stele|health'),
    'stele|hotkeys': this.#stele('stele|hotkeys'),
    'stele|keyspaces': this.#stele('stele|keyspaces'),
    'stele|nodes': this.#stele('stele|nodes'),
    'stele|version': this.#stele('stele|version'),
  };

  constructor(options: RespBackendOptions) {
    this.#options = options;
  }

  execute(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    // Nearly all commands are GET, so it is handled before the lookup of handlers.
    if (spec.name === 'get') return this.#oneKey(command, session, out, writeBulk, 1);
    switch (spec.handler) {
      case 'backend':
        return this.#handlers[spec.name as BackendCommand](command, session, out);
      case 'keys':
        return this.#manyKeys(command, session, out, keysReply(spec, command), spec.lastKey);
      case 'cluster':
        executeClusterCommand(spec, command, out, this.#clusterOf(session));
        return undefined;
      default:
        return this.#oneKey(command, session, out, valueReply(spec, command), spec.firstKey);
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

  datasetOf(keyspaceName: string): string {
    const { keyspaces } = this.#options.core.router.table.view;
    return datasetName(keyspaces.find(({ name }) => name === keyspaceName));
  }

  watchDatasets(onChange: () => void): void {
    this.#options.operations.subscribe(onChange);
  }

  facts(): ServerFacts {
    const { keyspaces } = this.#options.operations.current();
    return {
      redisVersion: REDIS_VERSION,
      mode: 'standalone',
      role: 'master',
      databases: databaseCount(keyspaces),
    };
  }

  #stele(name: keyof typeof STELE_HANDLERS): BackendHandler {
    return (command, session, out) =>
      STELE_HANDLERS[name](this.#options.operations, command, session, out);
  }

  #clusterOf(session: Session): ClusterSource {
    return clusterOfMaster(this.#options.core.router.table.view, session);
  }

  /**
   * The source for commands about many keys. Throws if not ready or if there is no such keyspace.
   */
  #keys(session: Session): KeysSource {
    const { core, scanner } = this.#options;
    const keyspace = this.#keyspaceOf(session);
    return { scanner, shardCount: core.router.table.shardCount, keyspace };
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
    writeValue: ValueReply,
    at: number,
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
    const key = copyArgument(command, at);
    const pending = new PendingKey(key, writeValue, metrics.resp);
    core.ask(target, key, pending, 0, core.deadlineFromNow());
    return writeIfDone(pending, out);
  }

  /** Requests the keys from argument 1 to `lastKey`, which may count from the end. */
  #manyKeys(
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
    reply: KeysReply,
    lastKey: number,
  ): PendingReply | undefined {
    const { core, metrics } = this.#options;
    const target = core.target(session.keyspace.name);
    const last = lastKey < 0 ? command.argc + lastKey : lastKey;
    const pending = new PendingKeys(last, reply, metrics.resp);
    const deadlineAtMs = core.deadlineFromNow();
    const { buffer, starts, ends } = command;
    for (let at = 1; at <= last; at++) {
      const cached = core.cached(target, buffer, starts[at] as number, ends[at] as number);
      if (cached !== undefined) pending.addCached(at - 1, cached);
      else pending.ask(core, target, copyArgument(command, at), at - 1, deadlineAtMs);
    }
    return writeIfDone(pending, out);
  }
}

/** Writes the reply at once if all values are cached; otherwise returns it as pending. */
function writeIfDone(
  pending: PendingKey | PendingKeys,
  out: ReplyWriter,
): PendingReply | undefined {
  if (!pending.done) {
    pending.handedOver = true;
    return pending;
  }
  pending.write(out);
  return undefined;
}

/** The decoder's buffer is reused, so the key of a pending reply must be copied. */
function copyArgument(command: CommandArguments, at: number): Buffer {
  return copyOf(command.buffer, command.starts[at] as number, command.ends[at] as number);
}
