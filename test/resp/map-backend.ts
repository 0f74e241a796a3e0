// For tests: a backend over a Map that answers at once, or later and in any order.

import type { CommandBackend, ServerFacts } from '../../resp/commands/backend.ts';
import { PendingReply } from '../../resp/commands/pending-reply.ts';
import type { CommandSpec } from '../../resp/commands/command-spec.ts';
import { argumentText } from '../../resp/wire/decoder.ts';
import type { CommandArguments } from '../../resp/wire/decoder.ts';
import type { ReplyWriter } from '../../resp/wire/encoder.ts';
import { executeClusterCommand } from '../../resp/cluster/cluster-commands.ts';
import type { ClusterDescription } from '../../resp/cluster/cluster-replies.ts';
import { formatInfo } from '../../resp/info/info.ts';
import type { KeyspaceRef, Session } from '../../resp/commands/session.ts';

/** A GET that is answered when the test calls `finish`. */
export class LaterReply extends PendingReply {
  readonly #value: Buffer | undefined;

  constructor(value: Buffer | undefined) {
    super();
    this.#value = value;
    this.replyBytes = value?.length ?? 5;
  }

  override write(out: ReplyWriter): void {
    if (this.#value === undefined) out.nil();
    else out.bulk(this.#value);
  }

  override finish(): void {
    super.finish();
  }
}

export class MapBackend implements CommandBackend {
  readonly values = new Map<string, Buffer>();
  readonly keyspaces: KeyspaceRef[] = [
    { name: 'default', index: 0 },
    { name: 'geo', index: 1 },
  ];
  /** If set, GET returns a LaterReply, which is collected here. */
  later: LaterReply[] | undefined;
  turnsEnded = 0;
  /** Duration of each turn's commands. */
  readonly turnsMs: number[] = [];
  port = 0;
  version = 1;
  #onChange: () => void = () => undefined;

  constructor(entries: readonly (readonly [string, string | Buffer])[] = []) {
    for (const [key, value] of entries) this.values.set(key, Buffer.from(value));
  }

  noteTurn(tookMs: number): void {
    this.turnsMs.push(tookMs);
  }

  execute(
    spec: CommandSpec,
    command: CommandArguments,
    _session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    if (spec.handler === 'cluster') {
      executeClusterCommand(spec, command, out, {
        describe: () => this.#cluster(),
        slotOf: () => 0,
      });
      return undefined;
    }
    if (spec.name === 'get') return this.#get(this.#value(command, 1), out);
    this.#executeAtOnce(spec.name, command, out);
    return undefined;
  }

  resolveKeyspace(nameOrIndex: string): KeyspaceRef | undefined {
    return this.keyspaces.find(
      ({ name, index }) => name === nameOrIndex || String(index) === nameOrIndex,
    );
  }

  facts(): ServerFacts {
    return { redisVersion: '7.4.0', mode: 'standalone', role: 'master', databases: 16 };
  }

  datasetOf(keyspaceName: string): string {
    return `${keyspaceName} ${this.version}`;
  }

  watchDatasets(onChange: () => void): void {
    this.#onChange = onChange;
  }

  /** As if another version of every keyspace had gone live. */
  switchVersion(): void {
    this.version++;
    this.#onChange();
  }

  endTurn(): void {
    this.turnsEnded++;
  }

  #get(value: Buffer | undefined, out: ReplyWriter): PendingReply | undefined {
    if (this.later !== undefined) {
      const pending = new LaterReply(value);
      this.later.push(pending);
      return pending;
    }
    if (value === undefined) out.nil();
    else out.bulkImmutable(value);
    return undefined;
  }

  #value(command: CommandArguments, index: number): Buffer | undefined {
    const key = command.buffer.toString('latin1', command.starts[index], command.ends[index]);
    return this.values.get(key);
  }

  #executeAtOnce(name: string, command: CommandArguments, out: ReplyWriter): void {
    switch (name) {
      case 'mget':
        out.array(command.argc - 1);
        for (let index = 1; index < command.argc; index++) {
          this.#get(this.#value(command, index), out);
        }
        return;
      case 'exists':
        return out.integer(this.#value(command, 1) === undefined ? 0 : 1);
      case 'strlen':
        return out.integer(this.#value(command, 1)?.length ?? 0);
      case 'dbsize':
        return out.integer(this.values.size);
      case 'info':
        return out.verbatim(this.#info(command));
      default:
        throw new Error(`the test backend has no ${name}`);
    }
  }

  #info(command: CommandArguments): string {
    const asked = Array.from({ length: command.argc - 1 }, (_, i) => argumentText(command, i + 1));
    const sections = [
      { name: 'Server', fields: { redis_version: '7.4.0', redis_mode: 'standalone' } },
      { name: 'Persistence', fields: { loading: 0 } },
      { name: 'Cluster', fields: { cluster_enabled: 1 } },
      { name: 'Keyspace', fields: { db0: `keys=${this.values.size},expires=0,avg_ttl=0` } },
    ];
    return formatInfo(sections, asked);
  }

  #cluster(): ClusterDescription {
    const id = 'a'.repeat(40);
    return {
      nodes: [{ id, host: '127.0.0.1', port: this.port, state: 'online' }],
      ranges: [{ start: 0, end: 16_383, owners: [0] }],
      epoch: 1,
      isRed: false,
      isTls: false,
      isNode: true,
      self: { id, host: '127.0.0.1', port: this.port },
    };
  }
}
