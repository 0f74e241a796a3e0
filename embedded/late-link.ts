// A link to a datanode of this process that may not be running yet: the master knows its nodes from
// the catalog before they have started. Until then every call fails like one to a dead process.

import { SteleError, toSteleError } from '../base/errors.ts';
import type { DatanodeLink, LookupBatch } from '../proto/ports.ts';

/** Forwards each call to the link that `find` returns at that time. */
export function lateLink(nodeId: string, find: () => DatanodeLink | undefined): DatanodeLink {
  const link = (): DatanodeLink => {
    const found = find();
    if (found !== undefined) return found;
    throw new SteleError('UNAVAILABLE', `Datanode ${nodeId} is not running in this process.`);
  };
  return {
    heartbeat: async (request, options) => link().heartbeat(request, options),
    listHoldings: async (request, options) => link().listHoldings(request, options),
    applyView: async (request, options) => link().applyView(request, options),
    putManifest: async (request, options) => link().putManifest(request, options),
    copySegments: async (request, options) => link().copySegments(request, options),
    dropSegments: async (request, options) => link().dropSegments(request, options),
    restart: async (request, options) => link().restart(request, options),
    scanKeys: async (request, options) => link().scanKeys(request, options),
    measureDeltas: async (request, options) => link().measureDeltas(request, options),
    archiveSegments: async (request, options) => link().archiveSegments(request, options),
    mergeSegments: async (request, options) => link().mergeSegments(request, options),
    getHotKeys: async (request, options) => link().getHotKeys(request, options),
    diffShards: async (request, options) => link().diffShards(request, options),
    measureRecords: async (request, options) => link().measureRecords(request, options),
    countReads: async (request, options) => link().countReads(request, options),
    fetchSegment: async (wish, into, options) => link().fetchSegment(wish, into, options),
    lookups: {
      send(batch: LookupBatch): void {
        try {
          link().lookups.send(batch);
        } catch (thrown) {
          batch.onFailure(toSteleError(thrown));
        }
      },
      close: () => undefined,
    },
    close: () => undefined,
  };
}
