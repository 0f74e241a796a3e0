// Single entries of a metadata store, for its tests.

import type { Entry, Metadata } from '../../../master/metadata/port.ts';

/** Resolves to the revision, or to undefined where the key is not at the revision `expect`. */
export function put(
  store: Metadata,
  key: string,
  value: string,
  expect?: number,
): Promise<number | undefined> {
  const condition = expect === undefined ? {} : { expect };
  return store.transaction([{ kind: 'put', key, value, ...condition }]);
}

export async function get(store: Metadata, key: string): Promise<Entry | undefined> {
  return (await store.list(key)).find((entry) => entry.key === key);
}
