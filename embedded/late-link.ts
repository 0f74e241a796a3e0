// A link to a datanode of this process that may not be there yet: the master knows its nodes from
// the catalog before they have started. Until then every call fails as one to a dead process does.

import { SteleError } from '../base/errors.ts';
import type {
  CallOptions,
  DatanodeLink,
  LookupChannel,
  LookupSink,
  LookupTargetRef,
} from '../proto/ports.ts';

/** Forwards to what `find` gives at the time of each call. */
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
    listSlotKeys: async (request, options) => link().listSlotKeys(request, options),
    measureDeltas: async (request, options) => link().measureDeltas(request, options),
    mergeSegments: async (request, options) => link().mergeSegments(request, options),
    diffShards: async (request, options) => link().diffShards(request, options),
    fetchSegment: async (wish, into, options) => link().fetchSegment(wish, into, options),
    lookups: new LateLookups(link),
    close: () => undefined,
  };
}

class LateLookups implements LookupChannel {
  readonly inFlight = 0;
  readonly #link: () => DatanodeLink;

  constructor(link: () => DatanodeLink) {
    this.#link = link;
  }

  async lookup(
    target: LookupTargetRef,
    keys: readonly Uint8Array[],
    sink: LookupSink,
    options: CallOptions,
  ): Promise<void> {
    await this.#link().lookups.lookup(target, keys, sink, options);
  }

  close(): void {
    // The datanode closes what is its own.
  }
}
