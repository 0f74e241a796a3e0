// For tests: a datanode with segments and a view, queried over RESP without sockets.

import { inspect } from 'node:util';
import { monotonicNowMs } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { Datanode } from '../../datanode/node.ts';
import { DatanodeRespBackend } from '../../datanode/endpoints/resp-backend.ts';
import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { PendingReply } from '../../resp/commands/pending-reply.ts';
import { CommandTimes } from '../../resp/commands/command-times.ts';
import { TIMING_DEFAULTS } from '../../resp/commands/timing-settings.ts';
import { CommandDecoder } from '../../resp/wire/decoder.ts';
import { executeCommand, resolveCommand } from '../../resp/server/dispatch.ts';
import { Gate } from '../../resp/commands/gate.ts';
import { ReplyWriter } from '../../resp/wire/encoder.ts';
import { ReplyDecoder } from '../../resp/wire/reply-decoder.ts';
import type { Reply } from '../../resp/wire/reply-decoder.ts';
import { Session } from '../../resp/commands/session.ts';
import { openSegment } from '../../segment/reader.ts';
import type { DiskStore } from '../../datanode/storage/store.ts';
import type { BuiltSegment } from '../../segment/builder.ts';
import { eventually, openTestNode } from '../support/peers/datanode.ts';
import type { TestNodeOptions } from '../support/peers/datanode.ts';
import { TEST_UID, layeredManifest, segmentsOf } from '../support/segments/segments.ts';
import type { Pairs } from '../support/segments/segments.ts';
import { tempDir } from '../support/temp-dir.ts';
import { multibulk } from '../resp/split.ts';

const COUNTS = {
  clients: 1,
  clientsMax: 10,
  connectionsTotal: 3,
  rejectedTotal: 2,
  commandsTotal: 7,
  inputBytesTotal: 300,
  outputBytesTotal: 900,
  commandsPerSecond: 5,
  inputBytesPerSecond: 512,
  outputBytesPerSecond: 2048,
  trackingClients: 0,
  commands: new CommandTimes(TIMING_DEFAULTS),
};

/** The value of a reply without its type: text, number, null, array, or an Error. */
export type Answer = string | number | boolean | null | Error | Answer[] | Map<string, Answer>;

export class RespNode {
  readonly node: Datanode;
  readonly session = new Session(1, 'here', 'there', 0);
  readonly #backend: DatanodeRespBackend;
  readonly #store: DiskStore;
  readonly #tier: 'memory' | 'disk';
  /** Whether the last command was answered in the event-loop tick in which it ran. */
  wasAtOnce = false;
  /** Resolves when what was loaded is where the tier wants it. */
  #ready: Promise<void> = Promise.resolve();
  #view: ClusterView;

  private constructor(
    { node, store }: Awaited<ReturnType<typeof openTestNode>>,
    shardCount: number,
    tier: 'memory' | 'disk',
  ) {
    this.node = node;
    this.#store = store;
    this.#tier = tier;
    node.holdings.setTier(TEST_UID, tier);
    this.#backend = new DatanodeRespBackend(node, () => COUNTS, 0);
    const address = (port: number) => ({
      host: '127.0.0.1',
      httpPort: port,
      respPort: port,
      grpcPort: port,
    });
    this.#view = {
      epoch: 1,
      revision: 1,
      shardCount,
      replication: 2,
      nodes: ['n1', 'n2'].map((id, at) => ({
        id,
        incarnation: '',
        address: address(1000 + at),
        zone: '',
        state: NodeState.SERVING,
      })),
      routes: Array.from({ length: shardCount }, () => ({ nodes: [0, 1] })),
      keyspaces: [
        {
          uid: TEST_UID,
          name: 'default',
          index: 0,
          currentVersion: 0,
          versions: [],
          fingerprints: [],
          records: 0,
        },
      ],
      health: HealthStatus.GREEN,
      ready: true,
    };
  }

  /** A node `n1` that is listed first for every shard; `n2` is second. */
  static async open(
    shardCount: number,
    { tier = 'memory', ...more }: TestNodeOptions & { readonly tier?: 'memory' | 'disk' } = {},
  ): Promise<RespNode> {
    return new RespNode(await openTestNode(tempDir(), more), shardCount, tier);
  }

  /** Its data folder. */
  get folder(): string {
    return this.#store.folder;
  }

  /** Resolves when the segments that were loaded are where the tier wants them. */
  async settled(): Promise<void> {
    await this.#ready;
    const { holdings } = this.node;
    await eventually('in its tier', () => holdings.misplacedOf(TEST_UID).length === 0);
  }

  /** Makes `pairs` the next version, with all shards here except those in `missing`. */
  load(pairs: Pairs, missing: readonly number[] = []): void {
    this.loadLayers([pairs], missing);
  }

  /** Like `load`, for a version of a base and deltas, oldest first. */
  loadLayers(pairsOfLayers: readonly Pairs[], missing: readonly number[] = []): void {
    const [keyspace] = this.#view.keyspaces;
    const version = (keyspace?.currentVersion ?? 0) + 1;
    const layers = pairsOfLayers.map((pairs) => segmentsOf(pairs, this.#view.shardCount));
    const built = layers.flat().filter(({ info }) => !missing.includes(info.shard));
    if (this.#tier === 'memory') this.#hold(built);
    else this.#ready = this.#ready.then(() => this.#writeAndHold(built));
    const manifest = layeredManifest(layers, this.#view.shardCount, version);
    this.node.tables.put(manifest);
    this.change((view) => {
      const [changed] = view.keyspaces;
      if (changed === undefined) return;
      changed.currentVersion = version;
      changed.versions = [...changed.versions, version].slice(-2);
      changed.records = manifest.records;
    });
  }

  #hold(built: readonly BuiltSegment[]): void {
    for (const { bytes, info } of built) {
      this.node.holdings.add(TEST_UID, info.id, openSegment(bytes));
    }
  }

  async #writeAndHold(built: readonly BuiltSegment[]): Promise<void> {
    for (const { bytes, info } of built) await this.#store.write(TEST_UID, info.id, bytes);
    this.#hold(built);
  }

  change(change: (view: ClusterView) => void): void {
    const view = structuredClone(this.#view);
    view.revision++;
    change(view);
    this.#view = view;
    this.node.contact.heard(monotonicNowMs(), true);
    this.node.cluster.apply(view);
  }

  /** The reply to one command. */
  async ask(...words: (string | Buffer)[]): Promise<Answer> {
    return plain(await this.reply(...words));
  }

  async reply(...words: (string | Buffer)[]): Promise<Reply> {
    await this.settled();
    const decoder = new CommandDecoder();
    decoder.push(Buffer.from(multibulk(...words)));
    decoder.next();
    const out = new ReplyWriter();
    out.protocol = this.session.protocol;
    out.mark();
    const context = {
      backend: this.#backend,
      gate: new Gate(),
      log: silentLogger,
      sessions: () => [this.session],
      closeMarked: () => undefined,
      times: new CommandTimes(TIMING_DEFAULTS),
      nowMs: () => 0,
    };
    const spec = resolveCommand(decoder, this.session, out, context);
    if (spec !== undefined) {
      const pending = executeCommand(spec, decoder, this.session, out, context);
      this.wasAtOnce = pending === undefined;
      // As a connection does at the end of a turn.
      this.#backend.noteTurn(0);
      if (pending !== undefined) await finished(pending, out);
    }
    const replies = new ReplyDecoder();
    replies.push(out.take());
    const reply = replies.next();
    if (reply === undefined) throw new Error('no reply');
    return reply;
  }
}

function finished(pending: PendingReply, out: ReplyWriter): Promise<void> {
  return new Promise((resolve) => {
    if (pending.done) {
      pending.write(out);
      return resolve();
    }
    pending.waiter = {
      replyReady: () => {
        pending.write(out);
        resolve();
      },
    };
  });
}

/** A text as it is, anything else formatted for people. */
export function shown(answer: Answer | undefined): string {
  return typeof answer === 'string' ? answer : inspect(answer);
}

function plain(reply: Reply): Answer {
  switch (reply.type) {
    case 'simple':
      return reply.text;
    case 'error':
      return new Error(reply.text);
    case 'bulk':
    case 'verbatim':
      return reply.bytes.toString('latin1');
    case 'nil':
      return null;
    case 'array':
    case 'set':
    case 'push':
      return reply.items.map(plain);
    case 'map':
      return new Map(reply.entries.map(([key, value]) => [shown(plain(key)), plain(value)]));
    case 'bigNumber':
      return String(reply.value);
    default:
      return reply.value;
  }
}
