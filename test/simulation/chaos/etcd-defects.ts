// Rules of an elected master that are broken on purpose, each by a wrapper around its etcd.

import { SteleError } from '../../../base/errors.ts';
import type {
  EtcdAnswer,
  EtcdApi,
  EtcdCompare,
  EtcdOperation,
  EtcdTransaction,
} from '../../../master/metadata/etcd/api.ts';
import { piecesOf } from '../../../master/metadata/etcd/layout.ts';
import type { EtcdLayout } from '../../../master/metadata/etcd/layout.ts';
import type { Cluster } from '../cluster/cluster.ts';

export type EtcdDefect =
  | 'no-fence'
  | 'lease-from-answer'
  | 'lease-as-asked'
  | 'lost-is-not-made'
  | 'orders-after-lease'
  | 'journal-is-left'
  | 'live-piece-removed';

/** The part of a lease that its holder counts on (master/metadata/etcd/election.ts). */
const USED = 0.85;

export function plantInEtcd({ clock, defect }: Cluster, api: EtcdApi, layout: EtcdLayout): EtcdApi {
  const transaction = (asked: EtcdTransaction): Promise<EtcdAnswer> => api.transaction(asked);
  switch (defect) {
    case 'no-fence':
      return plantIn(api, {
        transaction: (asked) =>
          transaction(without(asked, ({ key, revision }) => key === layout.leader && revision > 0)),
      });
    case 'lease-from-answer':
      return plantIn(
        api,
        countingFromAnswers(api, () => clock.nowMs),
      );
    case 'lease-as-asked':
      return plantIn(api, countingAsAsked(api));
    case 'lost-is-not-made':
      return plantIn(api, { transaction: (asked) => sendingAgain(api, layout, asked) });
    case 'journal-is-left':
      return plantIn(api, {
        range: async (key, end, options) => {
          const found = await api.range(key, end, options);
          return key === layout.journal ? { ...found, entries: [] } : found;
        },
      });
    case 'live-piece-removed':
      return plantIn(api, removingPieces(api, layout));
    default:
      return api;
  }
}

function plantIn(api: EtcdApi, own: Partial<EtcdApi>): EtcdApi {
  return {
    range: (key, end, options) => api.range(key, end, options),
    transaction: (asked) => api.transaction(asked),
    grantLease: (ttlSeconds) => api.grantLease(ttlSeconds),
    keepAlive: (id) => api.keepAlive(id),
    revokeLease: (id) => api.revokeLease(id),
    watch: (key, end, fromRevision, handlers) => api.watch(key, end, fromRevision, handlers),
    close: () => api.close(),
    ...own,
  };
}

function without(
  asked: EtcdTransaction,
  isLeftOut: (compare: EtcdCompare) => boolean,
): EtcdTransaction {
  return { ...asked, compares: asked.compares.filter((compare) => !isLeftOut(compare)) };
}

/** As if the time of a lease began with the answer. */
function countingFromAnswers(api: EtcdApi, nowMs: () => number): Partial<EtcdApi> {
  const longer = async <Value>(
    call: () => Promise<Value>,
    make: (value: Value, moreSeconds: number) => Value,
  ): Promise<Value> => {
    const beganMs = nowMs();
    const value = await call();
    return make(value, (nowMs() - beganMs) / USED / 1_000);
  };
  return {
    grantLease: (ttlSeconds) =>
      longer(
        () => api.grantLease(ttlSeconds),
        (lease, more) => ({ ...lease, ttlSeconds: lease.ttlSeconds + more }),
      ),
    keepAlive: (id) =>
      longer(
        () => api.keepAlive(id),
        (granted, more) => (granted === 0 ? 0 : granted + more),
      ),
  };
}

/** As if every lease had the time that was asked for. */
function countingAsAsked(api: EtcdApi): Partial<EtcdApi> {
  const asked = new Map<number, number>();
  return {
    grantLease: async (ttlSeconds) => {
      const { id } = await api.grantLease(ttlSeconds);
      asked.set(id, ttlSeconds);
      return { id, ttlSeconds };
    },
    keepAlive: async (id) => {
      const granted = await api.keepAlive(id);
      return granted === 0 ? 0 : (asked.get(id) ?? granted);
    },
  };
}

/** As if no answer meant that nothing was made, and without the marker that would tell. */
async function sendingAgain(
  api: EtcdApi,
  layout: EtcdLayout,
  asked: EtcdTransaction,
): Promise<EtcdAnswer> {
  const unmarked = without(asked, ({ key }) => key === layout.marker);
  for (;;) {
    try {
      return await api.transaction(unmarked);
    } catch (thrown) {
      if (!(thrown instanceof SteleError) || thrown.code !== 'OUTCOME_UNKNOWN') throw thrown;
    }
  }
}

/** With a value go all its pieces, whatever else names them. */
function removingPieces(api: EtcdApi, layout: EtcdLayout): Partial<EtcdApi> {
  const texts = new Map<string, string>();
  return {
    transaction: async (asked) => {
      const answer = await api.transaction(asked);
      if (!answer.succeeded) return answer;
      const removed: EtcdOperation[] = [];
      for (const operation of asked.success) {
        if (operation.kind !== 'put' || !operation.key.startsWith(layout.catalog)) continue;
        for (const hash of piecesOf(texts.get(operation.key) ?? ''))
          removed.push({ kind: 'delete', key: `${layout.pieces}${hash}` });
        texts.set(operation.key, operation.value.toString());
      }
      if (removed.length > 0) await api.transaction({ compares: [], success: removed });
      return answer;
    },
  };
}
