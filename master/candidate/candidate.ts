// One of several masters: it leads while it is elected, and follows otherwise. Either way it
// answers everything: reads from the view that it has, the rest by the leader, which is in this
// process or another one.
//
//   follow ──elected──> take over ──> lead ──lease ended, asked to step down, replaced──> follow
//                           │ failed
//                           └──> give up the lease, and follow
//
// Invariants: the control plane is open only while the lease runs; it is closed before this master
// stands for election again; a call that another master passed on is never passed on again.

import { BackgroundTasks } from '../../base/background.ts';
import { sleep, wallClockIso } from '../../base/clock.ts';
import type { Env } from '../../base/env.ts';
import { STELE_VERSION } from '../../base/process/build-version.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ListMastersResponse } from '../../proto/gen/stele/v1/cluster.ts';
import type { ClusterOperations, LeaderCalls, ViewSource } from '../../proto/operations.ts';
import type { LinkFactory } from '../../proto/ports.ts';
import { currentActor } from '../callers/actor.ts';
import { ControlPlane } from '../control-plane.ts';
import type { ControlPlaneOptions } from '../control-plane.ts';
import type { EtcdApi } from '../metadata/etcd/api.ts';
import { Election } from '../metadata/etcd/election.ts';
import type { LeaderInfo, LeaderLease } from '../metadata/etcd/election.ts';
import { EtcdMetadata } from '../metadata/etcd/etcd-metadata.ts';
import { LargeValues } from '../metadata/etcd/large-values.ts';
import type { EtcdLayout } from '../metadata/etcd/layout.ts';
import { keepListed, listedMasters } from '../metadata/etcd/registry.ts';
import { Standby } from '../metadata/etcd/standby.ts';
import { orFromLastView } from './last-view.ts';
import type { LastView } from './last-view.ts';
import { describeMasters } from './list-masters.ts';
import { grpcPeers } from './peers.ts';
import type { MasterPeers } from './peers.ts';
import { ViewFeed } from './view-feed.ts';

const BACKGROUND_CLOSE_MS = 2_000;
const ABSTAIN_MS = 1_000;
const ABSTAIN_MS_MAX = 30_000;

export interface CandidateOptions {
  readonly api: EtcdApi;
  readonly layout: EtcdLayout;
  readonly ttlSeconds: number;
  readonly settings: ControlPlaneOptions['settings'];
  readonly links: LinkFactory;
  readonly log: Logger;
  readonly env: Env;
  /** How the other masters are reached. */
  readonly peers?: MasterPeers;
  /** Opens the control plane of a term. */
  readonly openPlane?: (options: ControlPlaneOptions) => Promise<ControlPlane>;
}

export class Candidate implements LeaderCalls {
  readonly operations: ClusterOperations;
  readonly registrar: LeaderCalls['registrar'];
  readonly loads: LeaderCalls['loads'];
  readonly access: LeaderCalls['access'];
  readonly feed: ViewFeed;
  readonly #options: CandidateOptions;
  readonly #peers: MasterPeers;
  readonly #values: LargeValues;
  readonly #standby: Standby;
  #address = '';
  /** Attempts to lead that failed, one after the other. */
  #failures = 0;
  #known: LeaderInfo | undefined;
  readonly #stop = new AbortController();
  readonly #local: LeaderCalls['operations'];
  #election: Election | undefined;
  #lease: LeaderLease | undefined;
  #plane: ControlPlane | undefined;
  /** Why it stopped leading. */
  #ended: SteleError | undefined;
  readonly #planned = steppedDown();
  /** Why it could not lead when it was last elected. */
  #cannotLead: SteleError | undefined;
  #remote: ReturnType<MasterPeers['connect']> | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: CandidateOptions) {
    this.#options = options;
    this.#peers = options.peers ?? grpcPeers();
    const feed = new ViewFeed(this.#peers, options.env);
    this.feed = feed;
    this.#values = new LargeValues(options.api, options.layout);
    this.#standby = new Standby({ ...options, values: this.#values });
    // Not before the leader has read the catalog: it must not wait for those that follow.
    feed.subscribe(() => {
      if (this.#lease === undefined && !this.#stop.signal.aborted) this.#standby.start();
    });
    const local: Pick<LeaderCalls['operations'], 'listMasters' | 'stepDown'> = {
      listMasters: () => this.#listMasters(),
      stepDown: () => this.#stepDown(),
    };
    this.#local = passedOn<LeaderCalls['operations'], typeof local>(() => {
      if (this.#plane === undefined) throw notLeader();
      return this.#plane.operations;
    }, local);
    const target = (): LeaderCalls => this.#leader();
    const views: ViewSource = {
      current: () => feed.current(),
      subscribe: (listener) => feed.subscribe(listener),
      isCurrent: () => feed.isCurrent(),
      silentSince: () => feed.silentSince(),
    };
    const leader = passedOn<LeaderCalls['operations']>(() => target().operations);
    const last = { current: () => feed.current(), noLeader: () => this.#lastView() };
    this.operations = passedOn(() => target().operations, {
      ...views,
      ...orFromLastView(leader, last, options.env),
    });
    this.registrar = passedOn(() => target().registrar);
    this.loads = passedOn(() => target().loads);
    this.access = passedOn(() => target().access);
  }

  /** The control plane, while this master leads. */
  get plane(): ControlPlane | undefined {
    return this.#plane;
  }

  /** Stands for election. `address`: HOST:PORT of this master's gRPC, for the others. */
  start(address: string): void {
    const { env } = this.#options;
    const election = new Election({
      ...this.#options,
      address,
      id: address,
      time: env,
      nowIso: () => wallClockIso(env),
      onLeader: (leader) => {
        if (leader !== undefined) this.#ended = undefined;
        this.#onLeader(leader);
      },
    });
    this.#election = election;
    this.#address = address;
    const listed = { address, since: wallClockIso(env), release: STELE_VERSION };
    const { api, layout } = this.#options;
    this.#running = Promise.all([
      this.#run(election),
      keepListed(api, layout, listed, this.#options, this.#stop.signal),
    ]);
  }

  async #listMasters(): Promise<ListMastersResponse> {
    const { api, layout } = this.#options;
    return describeMasters(await listedMasters(api, layout), this.#known, this.#peers);
  }

  /** Gives up the lead, so that another master is elected at once. */
  async #stepDown(): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) throw notLeader();
    const { masters } = await this.#listMasters();
    if (!masters.some(({ leads, trouble }) => !leads && trouble === '')) throw noOther();
    this.#election?.abstain();
    await lease.resign(this.#planned);
  }

  /** Hands the lead over, and ends. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#lease?.resign(this.#planned).catch(() => undefined);
    await this.#running;
    this.#standby.stop();
    this.feed.close();
    this.#remote?.close();
  }

  async #run(election: Election): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const lease = await election.campaign(signal);
      if (lease === undefined) return;
      this.#lease = lease;
      await this.#lead(lease);
      this.#lease = undefined;
    }
  }

  async #lead(lease: LeaderLease): Promise<void> {
    const { env, log } = this.#options;
    const background = new BackgroundTasks(log, env);
    let metadata: EtcdMetadata | undefined;
    let plane: ControlPlane | undefined;
    try {
      this.#standby.stop();
      metadata = await this.#openMetadata(lease);
      await this.#requireSameCluster(metadata);
      plane = await this.#openPlane(lease, metadata, background);
      // The catalog has them.
      this.#values.retain([]);
      void plane.replaced.then((why) => lease.end(why));
      if (lease.isValid()) {
        plane.start();
        this.#plane = plane;
        this.#failures = 0;
        this.#cannotLead = undefined;
        this.feed.attach(plane.operations);
        log.info('this master leads');
      }
      await ended(lease.ended);
    } catch (thrown) {
      const error = toSteleError(thrown);
      log.error({ code: error.code }, `this master cannot lead: ${error.message}`);
      lease.end(error);
      this.#cannotLead = error;
      // Others may be able to; if none is, they must not take turns at full speed.
      this.#failures++;
      this.#election?.abstain(Math.min(ABSTAIN_MS_MAX, ABSTAIN_MS * 2 ** this.#failures));
    }
    this.#plane = undefined;
    this.feed.follow(undefined);
    plane?.close();
    const why = toSteleError(lease.ended.reason);
    this.#ended = why;
    if (why !== this.#cannotLead) {
      // Asked to: nothing is wrong.
      const level = why === this.#planned ? 'info' : 'warn';
      log[level]({ code: why.code }, `this master no longer leads: ${why.message}`);
    }
    await metadata?.close();
    await lease.resign(why).catch(() => undefined);
    await Promise.race([background.settled(), sleep(BACKGROUND_CLOSE_MS, undefined, env)]);
    this.#onLeader(this.#known);
  }

  /** An empty store, or another cluster, in the place of the one whose views were served. */
  async #requireSameCluster(metadata: EtcdMetadata): Promise<void> {
    const { clusterId } = this.feed.current();
    if (clusterId === undefined || clusterId === '') return;
    const [entry] = await metadata.list('cluster');
    const found = entry && (JSON.parse(entry.value) as { id?: string }).id;
    if (found === clusterId) return;
    const what = found === undefined ? 'is empty' : `is that of another cluster, ${found}`;
    throw new SteleError(
      'CORRUPT',
      `The catalog below ${this.#options.layout.prefix} in etcd ${what}, and this master has served cluster ${clusterId}; restore it from a backup (\`stele metadata restore\`), or, if that is what you want, restart the masters and clear the datanodes.`,
    );
  }

  #openMetadata(lease: LeaderLease): Promise<EtcdMetadata> {
    const { api, env, layout } = this.#options;
    return EtcdMetadata.open({
      api,
      layout,
      env,
      fence: lease.fence,
      values: this.#values,
      onLost: (why) => lease.end(why),
    });
  }

  #openPlane(
    lease: LeaderLease,
    metadata: EtcdMetadata,
    background: BackgroundTasks,
  ): Promise<ControlPlane> {
    const { env, links, log, openPlane, settings } = this.#options;
    const mayOrder = (): boolean => lease.isValid();
    const trouble = (): SteleError | undefined => lease.trouble;
    const parts = { metadata, settings, links, background, log, env, isShared: true };
    const options = { ...parts, mayOrder, trouble };
    return openPlane?.(options) ?? ControlPlane.open(options);
  }

  #onLeader(holder: LeaderInfo | undefined): void {
    const { log } = this.#options;
    // One without an address is no master (metadata/copies/etcd-place.ts).
    const leader = holder?.address === '' ? undefined : holder;
    this.#known = leader;
    this.#remote?.close();
    this.#remote = undefined;
    const isOwn = leader?.address === this.#address;
    if (leader !== undefined && !isOwn) {
      log.info({ leader: leader.address }, 'this master follows');
      this.#remote = this.#peers.connect(leader.address);
    }
    if (this.#plane === undefined) this.feed.follow(isOwn ? undefined : leader?.address);
  }

  /** Throws UNAVAILABLE while nobody leads. */
  #leader(): LeaderCalls {
    if (this.#plane !== undefined)
      return {
        loads: this.#plane.loads,
        registrar: this.#plane.registrar,
        access: this.#plane.access,
        operations: this.#local,
      };
    if (this.#remote === undefined) throw this.#noLeader();
    if (currentActor().mustLead === true) throw notLeader();
    return this.#remote;
  }

  /** What to say with the last view. */
  #lastView(): ReturnType<LastView['noLeader']> {
    const since = this.feed.silentSince() ?? '';
    if (this.#remote === undefined)
      return { why: `No master leads (${this.#whyNoLeader()})`, since };
    // The master that passes this question on has a view of its own.
    if (currentActor().mustLead === true) return undefined;
    return { why: `The leader at ${this.#known?.address ?? ''} does not answer`, since };
  }

  #whyNoLeader(): string {
    const trouble = this.#election?.trouble ?? '';
    const why = trouble === '' ? (this.#cannotLead ?? this.#ended)?.message : trouble;
    const phase = this.#lease === undefined ? 'none has been elected yet' : 'one is taking over';
    return (why ?? phase).replace(/[.]$/, '');
  }

  #noLeader(): SteleError {
    return new SteleError(
      'UNAVAILABLE',
      `No master leads at the moment (${this.#whyNoLeader()}), so nothing was done; reads go on. Try again in a moment; if this lasts, look whether the masters reach etcd.`,
    );
  }
}

/** An object whose methods are those of `target` at the time of the call, except for `own`. */
function passedOn<Target extends object, Own extends object = object>(
  target: () => Target,
  own?: Own,
): Target & Own {
  return new Proxy((own ?? {}) as Target & Own, {
    get: (kept, name) => {
      if (Object.hasOwn(kept, name)) return Reflect.get(kept, name) as unknown;
      // Not a promise: `await` must return the proxy itself.
      if (name === 'then') return undefined;
      return async (...words: unknown[]): Promise<unknown> => {
        const found = target();
        const method = Reflect.get(found, name) as (...words: unknown[]) => unknown;
        return method.apply(found, words);
      };
    },
  });
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function steppedDown(): SteleError {
  return new SteleError('UNAVAILABLE', 'The leader was asked to step down.');
}

function notLeader(): SteleError {
  return new SteleError(
    'UNAVAILABLE',
    'The master that was asked no longer leads, so nothing was done; try again.',
  );
}

function noOther(): SteleError {
  return new SteleError(
    'CONFLICT',
    'No other master answers, so the leader keeps the lead; start another one with the same --etcd-endpoints and --etcd-prefix first.',
  );
}
