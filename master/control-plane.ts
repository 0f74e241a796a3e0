// The control plane of one master start, without ports and files: the catalog over a metadata
// store, the leader, and the services for loaders, operators and datanodes. server.ts connects it
// to the network.

import { systemEnv } from '../base/env.ts';
import type { Env } from '../base/env.ts';
import type { BackgroundTasks } from '../base/background.ts';
import { Turns, wallClockIso } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import { SHARD_COUNT_DEFAULT } from '../base/limits.ts';
import type { KeyspaceUid } from '../base/ids.ts';
import { namingKeyspaces } from '../base/log.ts';
import type { Logger } from '../base/log.ts';
import type { LinkFactory } from '../proto/ports.ts';
import { currentActor } from './callers/actor.ts';
import { andThen, Catalog } from './catalog/catalog.ts';
import type { CatalogState } from './catalog/catalog.ts';
import { keepReplication, setVirtualNodes, startEpoch } from './catalog/cluster-transitions.ts';
import type { MasterStart } from './catalog/cluster-transitions.ts';
import { EVENTS } from './catalog/events.ts';
import { clusterOf, epochOf } from './catalog/queries.ts';
import { deepStoreOf } from './control/archiving/deep-store.ts';
import type { DeepStore, DeepStoreOptions } from './control/archiving/deep-store.ts';
import { Leader } from './control/leader.ts';
import { contentOf } from './core/world/datasets.ts';
import { NodeRegistrar } from './control/registration.ts';
import { LoadEnds } from './loads/load-ends.ts';
import { Loads } from './loads/loads.ts';
import { ChangeQueue } from './metadata/change-queue.ts';
import type { Metadata } from './metadata/port.ts';
import { AccessOperations } from './operations/access-operations.ts';
import { makeFirstAdmin } from './operations/first-admin.ts';
import { Operations } from './operations/operations.ts';
import type { MasterSettings } from './settings.ts';

/** Of a segment in a manifest, about. */
const SEGMENT_CHARACTERS = 200;
const LOAD_EXPIRY_INTERVAL_MS = 60_000;
/** Slack for a read that began just before. */
const RETIRE_SLACK_MS = 500;
/** Missed heartbeats after which even a node that still verifies its files counts as down. */
const INITIALIZING_DOWN_MISSES = 10;

type ControlPlaneSettings = Pick<
  MasterSettings,
  | 'dataDir'
  | 'shards'
  | 'virtualNodes'
  | 'replication'
  | 'heartbeatInterval'
  | 'heartbeatDeadline'
  | 'suspectMisses'
  | 'downMisses'
  | 'repairDelay'
  | 'copiesPerNode'
  | 'repairBytesPerSecond'
  | 'mergeBytesPerSecond'
  | 'retireDelay'
  | 'lookupDeadline'
> &
  Partial<Pick<MasterSettings, 'auth' | 'adminPasswordFile' | 'host'> & DeepStoreOptions>;

/** A store, and whether it came from a backup, which may lack the last commits. */
type RestorableMetadata = Metadata & { readonly restored: boolean };

export interface ControlPlaneOptions {
  readonly metadata: RestorableMetadata;
  readonly settings: ControlPlaneSettings;
  /** How datanodes are reached. */
  readonly links: LinkFactory;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env?: Env;
  /** Whether this master leads now. Absent: always, as it is the only one. */
  readonly mayOrder?: () => boolean;
  /** Whether other masters share the metadata store. Absent: false. */
  readonly isShared?: boolean;
  /** Default: that of the settings. */
  readonly deepStore?: DeepStore | undefined;
  /** Why the metadata store takes no changes now. */
  readonly trouble?: () => SteleError | undefined;
}

type OpenOptions = ControlPlaneOptions & { readonly env: Env };

export class ControlPlane {
  readonly leader: Leader;
  readonly loads: Loads;
  readonly loadEnds: LoadEnds;
  readonly operations: Operations;
  readonly access: AccessOperations;
  readonly registrar: NodeRegistrar;
  /** Resolves when another master has taken over the cluster. Usually never. */
  readonly replaced: Promise<SteleError>;
  readonly #options: OpenOptions;
  readonly #stop = new AbortController();

  /**
   * Becomes leader and begins its epoch, even if the epoch cannot be saved yet, unless there is no
   * cluster. Throws CORRUPT, UNKNOWN_FORMAT and, at a first start, the errors of the store.
   */
  static async open(options: ControlPlaneOptions): Promise<ControlPlane> {
    const { env = systemEnv, metadata } = options;
    const loadEnds = new LoadEnds();
    // The first commit of the store clears its restored flag.
    const start = { term: env.randomId(), restored: metadata.restored };
    const catalog = await openCatalog({ ...options, env }, start, loadEnds);
    const nameOf = (uid: string): string | undefined =>
      catalog.state.keyspace.get(uid as KeyspaceUid)?.name;
    const log = namingKeyspaces(options.log, nameOf);
    return new ControlPlane({ ...options, env, log }, start, catalog, loadEnds);
  }

  private constructor(
    options: OpenOptions,
    start: MasterStart,
    catalog: Catalog,
    loadEnds: LoadEnds,
  ) {
    this.#options = options;
    let onReplaced: (why: SteleError) => void = () => undefined;
    this.replaced = new Promise<SteleError>((resolve) => {
      onReplaced = resolve;
    });
    const replication = clusterOf(catalog.state).replication ?? options.settings.replication;
    const deepStore = options.deepStore ?? deepStoreOf(options.settings);
    const about = { ...start, deepStore: deepStore?.ref.url ?? '' };
    const settings = leaderSettings({ ...options.settings, replication }, about);
    this.leader = new Leader({ ...options, catalog, settings, onReplaced, deepStore });
    this.loadEnds = loadEnds;
    this.loads = new Loads(this.leader, options.log, loadEnds);
    const { auth, host } = options.settings;
    this.operations = new Operations(this.leader, this.loads, auth === 'off' ? host : undefined);
    this.access = new AccessOperations(this.leader);
    this.registrar = new NodeRegistrar(this.leader, options.log);
  }

  /** Starts all background activity of a master. */
  start(): void {
    this.leader.start();
    const { background, log, settings } = this.#options;
    background.repeat('expire-loads', LOAD_EXPIRY_INTERVAL_MS, this.#stop.signal, () =>
      this.loads.expire(),
    );
    if (settings.auth !== 'on') return;
    const { adminPasswordFile = '', dataDir } = settings;
    background.run('make the first user', () =>
      makeFirstAdmin(this.access, { adminPasswordFile, dataDir }, log),
    );
  }

  close(): void {
    this.#stop.abort();
    this.leader.close();
  }
}

async function openCatalog(
  { env, isShared = false, log, metadata, settings, trouble = () => undefined }: OpenOptions,
  start: MasterStart,
  loadEnds: LoadEnds,
): Promise<Catalog> {
  const recorder = { ...EVENTS, currentActor, nowIso: () => wallClockIso(env) };
  const queue = new ChangeQueue({ log, time: env, trouble });
  const turns = new Turns();
  const pause = (characters: number): Promise<void> => turns.after(characters);
  const catalog = await Catalog.load(metadata, queue, recorder, pause);
  catalog.onEvent(({ uid: _uid, at: _at, what, ...event }) => {
    log.info(event, `event: ${what}`);
    loadEnds.noteEvent({ what });
  });
  const { replication, shards, virtualNodes } = settings;
  const fresh = { id: env.randomId(), shardCount: shards, createdAt: wallClockIso(env) };
  try {
    await catalog.begin((state) => {
      const started = startEpoch(state, fresh, start);
      const kept = isShared
        ? andThen(state, started, (next) => keepReplication(next, replication))
        : started;
      // Stored in the catalog, so that a start without the flag moves nothing.
      return virtualNodes === 0
        ? kept
        : andThen(state, kept, (next) => setVirtualNodes(next, virtualNodes));
    });
  } catch (thrown) {
    // Without a cluster there is nothing to serve.
    if (!catalog.state.cluster.has('') || !isTriedAgain(thrown)) throw thrown;
    const { code, message } = toSteleError(thrown);
    const text = `${message} Until the epoch of this start is saved, this master only answers reads.`;
    log.error({ code }, text);
  }
  if (isShared) requireManifests(catalog.state);
  const cluster = clusterOf(catalog.state);
  // The first turn would do it all at once, and a lease might end meanwhile.
  for (const manifest of catalog.state.manifest.values()) {
    contentOf(manifest, cluster.shardCount);
    await pause(manifest.segments.length * SEGMENT_CHARACTERS);
  }
  // Nobody asked for the default.
  if (cluster.shardCount !== shards && shards !== SHARD_COUNT_DEFAULT) {
    log.warn(
      { shards: cluster.shardCount, asked: shards },
      `the cluster has ${cluster.shardCount} shards, fixed with its first start; --shards ${shards} is not used`,
    );
  }
  if (cluster.replication !== undefined && cluster.replication !== replication) {
    log.warn(
      { replication: cluster.replication, asked: replication },
      `the cluster has ${cluster.replication} copies, fixed with the first start of its masters; --replication ${replication} of this one is not used (\`stele replication\` changes a keyspace)`,
    );
  }
  log.info({ cluster: cluster.id, epoch: epochOf(catalog.state) }, 'the catalog is open');
  return catalog;
}

/** Others can write to a shared store: a version without its segments would look complete. */
function requireManifests({ manifest, version }: CatalogState): void {
  for (const [id, { state }] of version) {
    if ((state !== 'COMMITTED' && state !== 'REJECTED') || manifest.has(id)) continue;
    throw new SteleError(
      'CORRUPT',
      `The catalog has version ${id} without its manifest: something has deleted keys of it. Restore it from a backup (\`stele metadata restore\`).`,
    );
  }
}

/** A disk that is full, fails or hangs may recover. */
function isTriedAgain(thrown: unknown): boolean {
  return (['DISK_FULL', 'IO', 'OUTCOME_UNKNOWN'] as unknown[]).includes(toSteleError(thrown).code);
}

function leaderSettings(
  settings: ControlPlaneSettings,
  start: MasterStart & { readonly deepStore: string },
): ConstructorParameters<typeof Leader>[0]['settings'] {
  return {
    ...start,
    replication: settings.replication,
    heartbeatIntervalMs: settings.heartbeatInterval,
    heartbeatDeadlineMs: settings.heartbeatDeadline,
    membership: {
      suspectMisses: settings.suspectMisses,
      downMisses: Math.max(settings.suspectMisses, settings.downMisses),
      initializingDownMisses: Math.max(INITIALIZING_DOWN_MISSES, settings.downMisses),
      repairDelayMs: settings.repairDelay,
    },
    mergeBytesPerSecondMax: settings.mergeBytesPerSecond,
    repair: {
      copiesPerNodeMax: settings.copiesPerNode,
      bytesPerSecondMax: settings.repairBytesPerSecond,
    },
    retireDelayMs: Math.max(settings.retireDelay, settings.lookupDeadline + RETIRE_SLACK_MS),
  };
}
