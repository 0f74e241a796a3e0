// What must hold of the deep store of a simulated cluster.

import { segmentObject } from '../../../archive/layout.ts';
import { archivedIn } from '../../../master/catalog/archive-transitions.ts';
import type { CatalogState } from '../../../master/catalog/catalog.ts';
import { isHeld } from '../../../master/catalog/queries.ts';
import { versionId } from '../../../master/catalog/records.ts';
import type { ArchivedRecord } from '../../../master/catalog/records.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimBucket } from '../world/bucket.ts';

/** The moment that the catalog notes a version: all of it is there, byte for byte. */
export function notedAsArchived(
  { book, judge }: Cluster,
  bucket: SimBucket,
  { manifest: name, uid, version }: ArchivedRecord,
  after: CatalogState,
): void {
  const manifest = after.manifest.get(versionId(uid, version));
  if (!bucket.objects.has(name)) judge.fail(`${uid}/${version} is archived without its manifest`);
  for (const { id } of manifest?.segments ?? []) {
    const bytes = bucket.objects.get(segmentObject(uid, id))?.bytes;
    if (bytes === undefined || !book.isIntact(`${uid} ${id}`, bytes)) {
      judge.fail(`${uid}/${version} is archived, and ${id} is not in the deep store`);
    }
  }
}

/** The segments that would come back if no datanode had them, by name as of the judge. */
export function comesBack(catalog: CatalogState, url: string): Set<string> {
  const names = new Set<string>();
  for (const version of catalog.version.values()) {
    const id = versionId(version.uid, version.number);
    if (!isHeld(version) || archivedIn(catalog, id, url) === undefined) continue;
    for (const segment of catalog.manifest.get(id)?.segments ?? []) {
      names.add(`${version.uid} ${segment.id}`);
    }
  }
  return names;
}

/** An object was removed: no version that is noted as archived needs it. */
export function objectRemoved({ judge, metadata }: Cluster, url: string, name: string): void {
  for (const needed of comesBack(metadata.stored.catalog, url)) {
    const [uid = '', id = ''] = needed.split(' ');
    if (segmentObject(uid, id) === name) judge.fail(`${name} is removed, and is needed`);
  }
}
