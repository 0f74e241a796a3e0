// The JSON of the routes that the console asks, as /docs/json describes it. A test compares the
// two.

export type HealthWord = 'green' | 'yellow' | 'red' | 'unknown';
export type Right = 'read' | 'load' | 'operate' | 'admin';
type NodeState =
  'INITIALIZING' | 'SERVING' | 'DRAINING' | 'DRAINED' | 'SUSPECT' | 'DOWN' | 'UNSPECIFIED';

export interface Session {
  readonly auth: boolean;
  readonly user: string | null;
  /** On everything and on the cluster itself. */
  readonly rights: readonly Right[];
  readonly keyspaces: readonly { readonly name: string; readonly rights: readonly Right[] }[];
}

/** In an answer from the last view; what only a leader knows is then null. */
interface NoLeader {
  readonly reason: string;
  readonly since: string | null;
}

interface NodeAddress {
  readonly host: string;
  readonly http_port: number;
  readonly resp_port: number;
  readonly grpc_port: number;
}

/** How far a datanode has read into memory what it serves from disk. */
interface Warming {
  readonly segments_done: number;
  readonly segments_total: number;
  readonly bytes_done: number;
  readonly bytes_total: number;
}

export interface Node {
  readonly id: string;
  readonly state: NodeState;
  readonly address: NodeAddress | null;
  readonly zone: string;
  readonly weight: number | null;
  readonly progress: number | null;
  readonly replicas: number | null;
  readonly segment_bytes: number | null;
  readonly memory_limit_bytes: number | null;
  readonly resident_bytes: number | null;
  readonly disk_tier_bytes: number | null;
  readonly index_bytes: number | null;
  readonly cache_bytes: number | null;
  readonly accounted_bytes: number | null;
  readonly warming: Warming | null;
  readonly disk_free_bytes: number | null;
  readonly lookups_total: number | null;
  readonly silent_ms: number | null;
  readonly trouble: string | null;
  readonly drain_left: number | null;
  readonly view_lag: number | null;
}

export interface Health {
  readonly status: HealthWord;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly replication: {
    readonly target: number;
    readonly effective: number;
    readonly least: number | null;
  };
  readonly copies: { readonly running: number; readonly failing: number } | null;
  readonly nodes: readonly Node[];
  readonly shards: {
    readonly total: number;
    readonly active: number;
    readonly under_replicated: number | null;
    readonly uncovered: readonly {
      readonly shard: number;
      readonly slots: readonly [number, number];
      readonly keyspaces: readonly string[];
    }[];
  };
  readonly epoch: number;
  readonly no_leader?: NoLeader;
}

export interface Shard {
  readonly shard: number;
  readonly slots: readonly [number, number];
  readonly owners: readonly string[] | null;
  readonly holders: readonly string[];
  readonly status: HealthWord;
  readonly records: number | null;
  readonly bytes: number | null;
}

export interface Shards {
  readonly shards: readonly Shard[];
  readonly no_leader?: NoLeader;
}

interface Repairing {
  readonly from: string;
  readonly error: string;
  readonly attempts: number;
  readonly next_retry_at: string;
  readonly needs_person: boolean;
}

interface TierMove {
  readonly segments_left: number;
  readonly bytes_left: number;
  readonly nodes_unknown: number;
  readonly failure: string | null;
}

export interface Keyspace {
  readonly name: string;
  readonly index: number;
  readonly state: string;
  readonly repairing: Repairing | null;
  readonly current_version: number;
  readonly records: number;
  readonly key_bytes: number | null;
  readonly value_bytes: number | null;
  readonly segment_bytes: number | null;
  readonly replication: number | null;
  readonly committed_at: string | null;
  readonly keep: number | null;
  readonly cache: boolean;
  readonly tier: 'memory' | 'disk';
  readonly tier_move: TierMove | null;
}

export interface Keyspaces {
  readonly keyspaces: readonly Keyspace[];
  readonly no_leader?: NoLeader;
}

interface Gate {
  readonly expect_rows: number | null;
  readonly expect_tolerance: number;
  readonly min_rows: number | null;
  readonly max_shrink: number | null;
  readonly require_keys: readonly { readonly key: string; readonly value: string | null }[];
}

export interface Version {
  readonly version: number;
  readonly current: boolean;
  readonly state: string;
  readonly records: number;
  readonly key_bytes: number;
  readonly value_bytes: number;
  readonly segment_bytes: number;
  readonly digest: string;
  readonly source: string;
  readonly input: string | null;
  readonly committed_at: string;
  readonly current_since: string | null;
  readonly current_by: string | null;
  readonly load_id: string;
  readonly rollback_target: boolean;
  readonly reason: string | null;
  readonly gate: Gate | null;
  readonly append: {
    readonly base_version: number;
    readonly added: number;
    readonly replaced: number;
    readonly unchanged: number;
  } | null;
  readonly deltas: number;
}

export interface Versions {
  readonly keyspace: string;
  readonly versions: readonly Version[];
}

export interface Load {
  readonly id: string;
  readonly keyspace: string;
  readonly state: string;
  readonly mode: 'replace' | 'append';
  readonly source: string;
  readonly input: string | null;
  readonly owner: { readonly host: string; readonly pid: number; readonly user: string } | null;
  readonly stage: string | null;
  readonly rows: number;
  readonly rejected: number;
  readonly bytes_done: number;
  readonly bytes_total: number;
  readonly shards_done: number;
  readonly shards_total: number;
  readonly version: number | null;
  readonly records: number;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly reason: string | null;
  readonly silent_ms: number;
}

export interface Loads {
  readonly loads: readonly Load[];
}

export interface ClusterEvent {
  readonly number: number;
  readonly at: string;
  readonly what: string;
  readonly keyspace: string | null;
  readonly node: string | null;
  readonly load: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string | null;
  readonly door: string;
  readonly address: string | null;
  readonly who: string | null;
}

export interface Events {
  readonly events: readonly ClusterEvent[];
}

export interface Masters {
  readonly masters: readonly {
    readonly address: string;
    readonly leads: boolean;
    readonly since: string | null;
    readonly epoch: number;
    readonly view_lag: number;
    readonly trouble: string | null;
  }[];
}

/** Counts of one process since its start. */
export interface Stats {
  readonly role: 'master' | 'query';
  readonly version: string;
  readonly uptime_ms: number;
  readonly resident_bytes: number;
  readonly reads: {
    readonly found: number;
    readonly not_found: number;
    readonly failed: number;
    /** Bucket i counts those up to 0.05 ms x 2^(i/4); the last one all above, too. */
    readonly latency: readonly number[];
  };
  readonly keys: number;
  readonly cache: {
    readonly hits: number;
    readonly misses: number;
    readonly entries: number;
    readonly bytes: number;
    readonly bytes_max: number;
  };
  readonly retries: number;
  readonly hedges: number;
  readonly unavailable: number;
  readonly traffic: readonly {
    readonly protocol: string;
    readonly connections: number;
    readonly bytes_in: number;
    readonly bytes_out: number;
  }[];
  readonly nodes: readonly {
    readonly id: string;
    readonly in_flight: number;
    readonly latency_ms: number;
  }[];
}

export interface DiffValue {
  readonly value: string;
  readonly bytes: number;
}

export interface Diff {
  readonly keyspace: string;
  readonly from: number;
  readonly to: number;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly shards: { readonly compared: number; readonly total: number };
  readonly samples: readonly {
    readonly kind: 'added' | 'removed' | 'changed' | 'unknown';
    readonly key: string;
    readonly from: DiffValue | null;
    readonly to: DiffValue | null;
  }[];
}

export interface ExplainedKey {
  readonly keyspace: string;
  readonly version: number;
  readonly slot: number;
  readonly shard: number;
  readonly owners: readonly string[];
  readonly holders: readonly string[];
  readonly served_by: string | null;
  readonly segments: readonly string[];
  readonly replicas: readonly {
    readonly node: string;
    readonly owner: boolean;
    readonly holds: boolean;
    readonly state: NodeState;
    readonly reason: string;
  }[];
}

export interface HotKey {
  readonly key: string;
  readonly encoding: string;
  readonly reads_per_second: number;
  readonly value_bytes: number | null;
}

export interface HotKeys {
  readonly keyspace: string;
  readonly reads_per_second: number;
  readonly hottest: readonly HotKey[];
  readonly largest: readonly HotKey[];
  readonly unanswered: readonly string[];
}

interface Sizes {
  readonly p50: number;
  readonly p99: number;
  readonly largest: number;
}

export interface Cost {
  readonly tier: 'memory' | 'disk';
  readonly suspended: boolean;
  readonly copies: number;
  readonly versions: number;
  readonly tiers: readonly {
    readonly tier: 'memory' | 'disk';
    readonly memory_bytes: number;
    readonly disk_bytes: number;
    readonly memory_bytes_per_record: number;
    readonly disk_bytes_per_record: number;
  }[];
  readonly changes: readonly {
    readonly change: string;
    readonly memory_bytes: number;
    readonly disk_bytes: number;
  }[];
  readonly sampled: number;
  readonly key_sizes: Sizes | null;
  readonly value_sizes: Sizes | null;
  readonly reads_per_second: number;
  readonly hit_ratio: number | null;
  readonly unanswered: readonly string[];
}
