// The deep store that the settings of a master name.

import type { ObjectStore } from '../../../archive/object-store.ts';
import { openStore } from '../../../archive/open-store.ts';
import { parseStoreUrl } from '../../../archive/store-url.ts';
import type { StoreRef } from '../../../proto/gen/stele/v1/datanode.ts';
import type { MasterSettings } from '../../settings.ts';

export type DeepStoreOptions = Pick<
  MasterSettings,
  'deepStore' | 's3Endpoint' | 's3Region' | 'archiveBytesPerSecond' | 'archiveGrace'
>;

const DELETION_MS_MAX = 10_000;
const GRACE_DEFAULT_MS = 48 * 3_600_000;

export interface DeepStore {
  readonly ref: StoreRef;
  readonly open: () => Promise<ObjectStore>;
  /** Per datanode; 0: unlimited. */
  readonly bytesPerSecondMax: number;
  /** How long the store keeps what nothing needs any more. */
  readonly graceMs: number;
  /**
   * The deadline of a deletion; a master archives nothing for so long after its start
   * (clean-store.ts).
   */
  readonly deletionMsMax: number;
}

/** Undefined if there is none. Throws INVALID_ARGUMENT for what is not the URL of a store. */
export function deepStoreOf({
  archiveBytesPerSecond = 0,
  archiveGrace = GRACE_DEFAULT_MS,
  deepStore = '',
  s3Endpoint = '',
  s3Region = '',
}: Partial<DeepStoreOptions>): DeepStore | undefined {
  if (deepStore === '') return undefined;
  const { url } = parseStoreUrl(deepStore);
  return {
    ref: { url, s3Endpoint, s3Region },
    open: () => openStore(url, { s3Endpoint, s3Region }),
    bytesPerSecondMax: archiveBytesPerSecond,
    graceMs: archiveGrace,
    deletionMsMax: DELETION_MS_MAX,
  };
}
