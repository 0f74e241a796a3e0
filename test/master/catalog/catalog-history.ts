// A catalog that exists in memory alone: transitions are applied one after the other, as the real
// one applies them, and whole loads are one call.

import type { KeyspaceUid } from '../../../base/ids.ts';
import { asUid } from '../../support/test-ids.ts';
import { applyChanges, emptyCatalog } from '../../../master/catalog/catalog.ts';
import type { CatalogState, Transition } from '../../../master/catalog/catalog.ts';
import { reserveVersion, settleLoad } from '../../../master/catalog/commit-transitions.ts';
import type { CommitContent, CommitTerms } from '../../../master/catalog/commit-transitions.ts';
import { beginLoad } from '../../../master/catalog/load-transitions.ts';
import type { NewLoad } from '../../../master/catalog/load-transitions.ts';
import { requireKeyspace, versionsOf } from '../../../master/catalog/queries.ts';
import type { VersionRecord } from '../../../master/catalog/records.ts';
import { LoadMode } from '../../../proto/gen/stele/v1/load.ts';
import { gateFor } from '../../../proto/load-gate.ts';

export const KEYSPACE = 'prices';
/** All that there should be. */
export const COPIES = { least: 2, wanted: 2 };

export class CatalogHistory {
  state: CatalogState = emptyCatalog();
  #loads = 0;

  run<Result>(transition: (state: CatalogState) => Transition<Result>): Result {
    const { changes, result } = transition(this.state);
    this.state = applyChanges(this.state, changes);
    return result;
  }

  /** The id of the load. */
  begin(more: Partial<NewLoad> = {}): string {
    const number = ++this.#loads;
    const wanted: NewLoad = {
      id: `load-${number}`,
      keyspaceUid: asUid(`uid-${number}`),
      keyspace: KEYSPACE,
      source: `file-${number}.csv`,
      input: '',
      inputFingerprint: `input-${number}`,
      minReplicas: 0,
      mode: 'REPLACE',
      owner: { host: 'here', pid: number, user: 'me' },
      workToken: '',
      nowIso: `2026-01-01T00:00:00.${String(number).padStart(3, '0')}Z`,
      ...more,
    };
    const isAlive = { mayReplace: false, progress: undefined, text: 'parse: 3 rows' };
    return this.run((state) => beginLoad(state, wanted, () => isAlive)).load.id;
  }

  reserve(loadId: string, content: string): number {
    return this.run((state) => reserveVersion(state, loadId, content, '2026-01-02'));
  }

  /** `content` names the content of the commit: equal names have equal segments. */
  settle(
    loadId: string,
    content: string,
    records = 100,
    more: Partial<CommitTerms> = {},
    version = this.reserve(loadId, content),
  ): VersionRecord {
    const what: CommitContent = {
      version,
      fingerprint: content,
      segments: [],
      records,
      keyBytes: 1,
      valueBytes: 2,
      digest: content,
      nowIso: '2026-01-03',
    };
    const gate = gateFor(undefined, LoadMode.REPLACE);
    const terms = { gate, keys: [], keep: 0, progress: undefined, copies: COPIES, ...more };
    return this.run((state) => settleLoad(state, loadId, what, terms));
  }

  /** A load from beginning to end. */
  load(records = 100, more: Partial<CommitTerms> = {}, content?: string): VersionRecord {
    const id = this.begin();
    return this.settle(id, content ?? `content of ${id}`, records, more);
  }

  get uid(): KeyspaceUid {
    return requireKeyspace(this.state, KEYSPACE).uid;
  }

  get current(): number {
    return requireKeyspace(this.state, KEYSPACE).desired.currentVersion;
  }

  /** `1 RETIRED, 2 COMMITTED ...` */
  versions(): string {
    return versionsOf(this.state, this.uid)
      .map(({ number, state }) => `${number} ${state}`)
      .join(', ');
  }
}
